/* streamer: endpoints for the tests of streams and of upgrades, on <stepwell.h> alone. What a step waits for is a call
 * to the test's own server (?gate=http://...), which also notes each call; steps of /work note themselves in a file. */
#include <stepwell.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *notes_path;

static int64_t number(sw_ctx *c, const char *name, int64_t fallback)
{
    const char *text = sw_query(c, name);
    return text ? strtoll(text, NULL, 10) : fallback;
}

static const char *text_of(sw_ctx *c, sw_value input, const char *key)
{
    const char *text = sw_cstr(c, sw_get(input, key));
    return text ? text : "";
}

/* Asks the test for leave to go on, if it wants to be asked. */
static void pass_gate(sw_ctx *c, sw_value gate, const char *name)
{
    const char *url = sw_cstr(c, gate);
    if (!url) return;
    sw_response r = sw_fetch(c, &(sw_request){.url = sw_printf(c, "%s/%s", url, name)});
    if (r.status != 200) sw_fail(c, "the gate answered %d", r.status);
}

static sw_value gate_of(sw_ctx *c) { return sw_str(c, sw_query(c, "gate")); }

/* ---- No stream at all ---- */

static sw_value add_one(sw_ctx *c, sw_value input)
{
    (void)c;
    return sw_int(sw_as_int(input, 0) + 1);
}

static void on_silent(sw_ctx *c)
{
    sw_reply_json(c, 200, sw_map(c, "n", sw_step(c, "add", add_one, sw_int(number(c, "n", 0))), NULL));
}

/* ---- Steps one after the other, and beside each other ---- */

static sw_value say(sw_ctx *c, sw_value input)
{
    const char *name = text_of(c, input, "name");
    int64_t chunks = sw_as_int(sw_get(input, "chunks"), 3);
    for (int64_t i = 0; i < chunks; i++) {
        pass_gate(c, sw_get(input, "gate"), sw_printf(c, "%s-%d", name, (int)i));
        sw_push_chunk(c, sw_strf(c, "%s-%d", name, (int)i));
    }
    pass_gate(c, sw_get(input, "gate"), sw_printf(c, "%s-end", name));
    return sw_str(c, name);
}

static sw_value say_input(sw_ctx *c, const char *name)
{
    return sw_map(c, "name", sw_str(c, name), "chunks", sw_int(number(c, "chunks", 3)), "gate", gate_of(c), NULL);
}

static void on_steps(sw_ctx *c)
{
    sw_push_chunk(c, sw_str(c, "begin"));
    sw_value all = sw_nil();
    for (int64_t i = 0; i < number(c, "steps", 3); i++) {
        const char *name = sw_printf(c, "s%d", (int)i);
        sw_push(c, &all, sw_step(c, name, say, say_input(c, name)));
    }
    sw_push_chunk(c, sw_map(c, "said", all, NULL));
    sw_reply_json(c, 200, all);
}

static void on_parallel(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int64_t i = 0; i < number(c, "steps", 3); i++) {
        const char *name = sw_printf(c, "p%d", (int)i);
        sw_group_step(g, name, say, say_input(c, name));
    }
    sw_reply_json(c, 200, sw_group_wait(g));
}

/* ---- Retries ---- */

static sw_value stumble(sw_ctx *c, sw_value input)
{
    for (int i = 0; i < 2; i++) sw_push_chunk(c, sw_strf(c, "try%d-%d", sw_attempt(c), i));
    if (sw_attempt(c) <= sw_as_int(sw_get(input, "failures"), 1))
        sw_fail_after(c, sw_as_int(sw_get(input, "wait"), 0), "not yet");
    return sw_int(sw_attempt(c));
}

static void on_retry(sw_ctx *c)
{
    sw_value input =
        sw_map(c, "failures", sw_int(number(c, "failures", 1)), "wait", sw_int(number(c, "wait", 0)), NULL);
    sw_step_options options = {.retries = 2};
    sw_value out = sw_nil();
    sw_error error = {.message = ""};
    bool ok = sw_try_with(c, "stumble", stumble, input, &options, &out, &error);
    sw_push_chunk(c, sw_str(c, "after"));
    sw_reply_json(c, 200, sw_map(c, "ok", sw_bool(ok), "attempt", out, "error", sw_str(c, error.message), NULL));
}

/* ---- Sleeps ---- */

static void on_sleep(sw_ctx *c)
{
    sw_push_chunk(c, sw_str(c, "outside-0"));
    sw_step(c, "before", say, say_input(c, "before"));
    sw_sleep(c, "nap", number(c, "ms", 1000));
    sw_push_chunk(c, sw_str(c, "outside-1"));
    sw_step(c, "after", say, say_input(c, "after"));
    sw_reply_text(c, 200, "slept");
}

/* ---- Ends ---- */

static void on_fail(sw_ctx *c)
{
    sw_push_chunk(c, sw_str(c, "before it fails"));
    sw_fail_fatal(c, "broken on purpose");
}

static void on_custom(sw_ctx *c)
{
    sw_push_chunk(c, sw_int(1));
    sw_reply_header(c, "X-Custom", "caf\xc3\xa9 \"quoted\"");
    sw_reply_header(c, "X-Twice", "one");
    sw_reply_header(c, "x-twice", "two");
    sw_reply_text(c, (int)number(c, "status", 418), "short and stout \xe2\x98\x95");
}

/* Streams the URL of a question whose signal has a name that needs an escape, and answers with what was decided. */
static void on_ask(sw_ctx *c)
{
    static const char *const choices[] = {"yes", "no", NULL};
    const sw_question question = {.text = "May we?", .choices = choices};
    sw_value answer = sw_nil();
    sw_push_chunk(c, sw_str(c, sw_signal_url(c, "question", "the answer", &question)));
    sw_wait_for(c, "answer", &(sw_wait){.signal = "the answer"}, &answer);
    sw_reply_json(c, 200, answer);
}

static void on_nothing(sw_ctx *c) { sw_push_chunk(c, sw_str(c, "then nothing")); }

static void on_echo(sw_ctx *c)
{
    sw_push_chunk(c, sw_body_json(c));
    sw_reply_json(c, 201, sw_body_json(c));
}

/* What came, byte by byte. */
static void on_bytes(sw_ctx *c)
{
    sw_bytes body = sw_body(c);
    sw_reply(c, 200, "application/octet-stream", body.data, body.len);
}

/* ---- Texts ---- */

static const char words[] = "na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xf0\x9f\x8c\x8a \"q\" \\ \n\t\x01 ";

static void on_text(sw_ctx *c)
{
    for (int64_t i = 0; i < number(c, "n", 200); i++) sw_push_chunk(c, sw_strf(c, "%d %s", (int)i, words));
    sw_reply_text(c, 200, "%s", words);
}

static void on_values(sw_ctx *c)
{
    sw_push_chunk(c, sw_nil());
    sw_push_chunk(c, sw_bool(true));
    sw_push_chunk(c, sw_int(-7));
    sw_push_chunk(c, sw_double(0.5));
    sw_push_chunk(c, sw_str(c, ""));
    sw_push_chunk(c, sw_array(c, 2, sw_int(1), sw_map(c, "a", sw_nil(), NULL)));
    sw_push_chunk(c, sw_bin(c, "\x00\xff\xc3", 3));
    sw_reply_json(c, 200, sw_nil());
}

static sw_value push_half(sw_ctx *c, sw_value input)
{
    sw_value half = sw_strn(c, "caf\xc3", 4);
    if (sw_as_bool(input, false)) half = sw_map(c, "deep", sw_array(c, 1, half), NULL);
    sw_push_chunk(c, half);
    return sw_nil();
}

static void on_half(sw_ctx *c)
{
    sw_step(c, "half", push_half, sw_bool(number(c, "deep", 0) != 0));
    sw_reply_text(c, 200, "not reached");
}

/* ---- Sizes ---- */

static sw_value push_many(sw_ctx *c, sw_value input)
{
    int64_t n = sw_as_int(sw_get(input, "n"), 0), size = sw_as_int(sw_get(input, "size"), 8);
    char *filler = sw_alloc(c, (size_t)size + 1);
    memset(filler, 'x', (size_t)size);
    for (int64_t i = 0; i < n; i++) sw_push_chunk(c, sw_strf(c, "%lld:%s", (long long)i, filler));
    pass_gate(c, sw_get(input, "gate"), "many");
    return sw_int(n);
}

static void on_many(sw_ctx *c)
{
    sw_value input =
        sw_map(c, "n", sw_int(number(c, "n", 1000)), "size", sw_int(number(c, "size", 8)), "gate", gate_of(c), NULL);
    sw_reply_json(c, 200, sw_step(c, "many", push_many, input));
}

static sw_value push_one(sw_ctx *c, sw_value input)
{
    size_t size = (size_t)sw_as_int(input, 0);
    char *text = sw_alloc(c, size + 1);
    memset(text, 'y', size);
    sw_push_chunk(c, sw_strn(c, text, size));
    return sw_nil();
}

static void on_large(sw_ctx *c)
{
    sw_step(c, "large", push_one, sw_int(number(c, "size", 0)));
    sw_reply_text(c, 200, "large");
}

/* ---- Work under load: each step notes that it ran ---- */

static void note(sw_ctx *c, const char *step)
{
    if (!notes_path) return;
    const char *line = sw_printf(c, "%s %s\n", sw_run_id(c), step);
    int fd = open(notes_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
    if (fd >= 0) close(fd);
    if (!ok) sw_fail_fatal(c, "the note cannot be written");
}

static sw_value work(sw_ctx *c, sw_value input)
{
    const char *name = text_of(c, input, "name");
    note(c, name);
    for (int64_t i = 0; i < 3; i++) {
        sw_push_chunk(c, sw_strf(c, "%s-%d", name, (int)i));
        sw_sleep(c, "pace", sw_as_int(sw_get(input, "pace"), 0));
    }
    return sw_str(c, name);
}

static void on_work(sw_ctx *c)
{
    sw_value all = sw_nil();
    for (int64_t i = 0; i < number(c, "steps", 4); i++) {
        const char *name = sw_printf(c, "w%d", (int)i);
        sw_value input = sw_map(c, "name", sw_str(c, name), "pace", sw_int(number(c, "pace", 10)), NULL);
        sw_push(c, &all, sw_step(c, name, work, input));
    }
    if (number(c, "sleep", 0) > 0) sw_sleep(c, "nap", number(c, "sleep", 0));
    sw_reply_header(c, "X-Tag", sw_query(c, "tag") ? sw_query(c, "tag") : "");
    sw_reply_json(c, 200, sw_map(c, "tag", sw_str(c, sw_query(c, "tag")), "steps", all, NULL));
}

static const char *on_start(sw_app *app, void *arg)
{
    (void)arg;
    notes_path = sw_flag_value(app, "notes");
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *route;
        sw_handler handler;
    } routes[] = {{"GET /silent", on_silent}, {"GET /steps", on_steps},   {"GET /parallel", on_parallel},
                  {"GET /retry", on_retry},   {"GET /sleep", on_sleep},   {"GET /fail", on_fail},
                  {"GET /ask", on_ask},       {"GET /custom", on_custom}, {"GET /nothing", on_nothing},
                  {"POST /echo", on_echo},    {"GET /text", on_text},     {"GET /values", on_values},
                  {"GET /half", on_half},     {"GET /many", on_many},     {"GET /large", on_large},
                  {"GET /work", on_work},     {"POST /work", on_work},    {"POST /steps", on_steps},
                  {"POST /bytes", on_bytes}};
    sw_app *app = sw_app_new("streamer");
    sw_flag(app, "notes", "FILE", NULL, "file in which the steps of /work note that they ran");
    sw_on_start(app, on_start, NULL);
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        sw_endpoint(app, routes[i].route, routes[i].handler, NULL);
    sw_endpoint(app, "GET /tied", on_steps, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
    return sw_main(app, argc, argv);
}
