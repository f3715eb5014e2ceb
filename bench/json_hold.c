/* json_hold: how long large JSON holds a loop. GET /tick wakes as often as the loop lets it, until the process ends;
 * GET /longest says how much processor time the loop's thread has spent between two of its wakes since the last GET
 * /longest. GET /read, /write, /step?document=N works meanwhile; with on=loop in a clean-up, which may not wait, so
 * that the loop does it. An ordinary program on <stepwell.h>. */
#include <stdio.h>
#include <stdlib.h>
#include <stepwell.h>
#include <string.h>
#include <time.h>

#include "bench/json_libraries.h"

static document documents[DOCUMENTS + HEAVY_DOCUMENTS];
static double longest_ms, woke_ms;

/* Of this thread: what other programs of the machine take does not count. */
static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void note_gap(void)
{
    double now = now_ms();
    if (woke_ms > 0 && now - woke_ms > longest_ms) longest_ms = now - woke_ms;
    woke_ms = now;
}

static void on_tick(sw_ctx *c)
{
    for (;;) {
        sw_sleep(c, "tick", 1);
        note_gap();
    }
}

static void on_longest(sw_ctx *c)
{
    note_gap();
    sw_reply_text(c, 200, "%.3f", longest_ms);
    longest_ms = 0;
}

static const document *asked(sw_ctx *c)
{
    const char *number = sw_query(c, "document");
    unsigned at = number ? (unsigned)atoi(number) : 0;
    if (at >= DOCUMENTS + HEAVY_DOCUMENTS) sw_fail(c, "there is no document %u", at);
    return &documents[at];
}

static bool is_on_loop(sw_ctx *c)
{
    const char *where = sw_query(c, "on");
    return where && strcmp(where, "loop") == 0;
}

static sw_value read_document(sw_ctx *c)
{
    const document *d = asked(c);
    return sw_json_parse(c, d->text, d->len);
}

static void read_in_cleanup(void *of) { (void)read_document(of); }

static void on_read(sw_ctx *c)
{
    sw_reply_text(c, 200, "%s %zu", asked(c)->name, asked(c)->len);
    if (is_on_loop(c))
        sw_defer(c, read_in_cleanup, c);
    else
        (void)read_document(c);
}

typedef struct writing {
    sw_ctx *c;
    sw_value value;
} writing;

static void write_in_cleanup(void *of)
{
    const writing *w = of;
    (void)sw_json(w->c, w->value);
}

static void on_write(sw_ctx *c)
{
    writing *w = sw_alloc(c, sizeof *w);
    *w = (writing){c, read_document(c)};
    longest_ms = 0; /* of reading */
    if (is_on_loop(c))
        sw_defer(c, write_in_cleanup, w);
    else
        sw_reply_json(c, 200, w->value);
}

static sw_value read_step(sw_ctx *c, sw_value input)
{
    (void)input;
    return read_document(c);
}

static sw_value take_step(sw_ctx *c, sw_value input)
{
    (void)c;
    return sw_int((int64_t)sw_len(input));
}

static void on_step(sw_ctx *c)
{
    sw_value v = sw_step(c, "read", read_step, sw_nil());
    sw_reply_text(c, 200, "%s", asked(c)->name);
    if (sw_query(c, "input")) (void)sw_step(c, "take", take_step, v);
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("json_hold");
    make_documents(documents);
    make_heavy_documents(documents + DOCUMENTS);
    sw_route(app, "GET /tick", on_tick);
    sw_route(app, "GET /longest", on_longest);
    sw_route(app, "GET /read", on_read);
    sw_route(app, "GET /write", on_write);
    sw_endpoint(app, "GET /step", on_step, NULL);
    return sw_main(app, argc, argv);
}
