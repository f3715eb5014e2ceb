/* The third mistake of newcomers (prove_clock.c has the first): something done between steps, which each replay does
 * again. */
#include <stdio.h>
#include <stdlib.h>
#include <stepwell.h>
#include <unistd.h>

static sw_value save(sw_ctx *c, sw_value order)
{
    (void)c;
    return order;
}

static void on_fetch(sw_ctx *c)
{
    sw_value rates = sw_fetch_json(c, &(sw_request){.url = "http://127.0.0.1:1/rates"});
    sw_reply_json(c, 201, sw_step(c, "save", save, rates));
}

static void on_file(sw_ctx *c)
{
    FILE *log = fopen("/dev/null", "a");
    if (log) (void)fclose(log);
    sw_reply_json(c, 201, sw_step(c, "save", save, sw_int(1)));
}

/* What the process is shows where it must not. */
static void on_process(sw_ctx *c)
{
    sw_value saved = sw_step(c, "save", save, sw_int(1));
    sw_push_chunk(c, sw_int(getpid()));
    sw_reply_json(c, 201, sw_map(c, "saved", saved, "by", sw_int(getpid()), NULL));
}

/* Counts in a variable of the process. */
static void on_count(sw_ctx *c)
{
    static int orders;
    sw_value order = sw_map(c, "number", sw_int(++orders), NULL);
    sw_reply_json(c, 201, sw_step(c, "save", save, order));
}

static void on_fault(sw_ctx *c)
{
    sw_step(c, "save", save, sw_int(1));
    abort();
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("between");
    sw_endpoint(app, "POST /fetch", on_fetch, NULL);
    sw_endpoint(app, "POST /file", on_file, NULL);
    sw_endpoint(app, "POST /process", on_process, NULL);
    sw_endpoint(app, "POST /count", on_count, NULL);
    sw_endpoint(app, "POST /fault", on_fault, NULL);
    return sw_main(app, argc, argv);
}
