/* A report that nobody waits for is not made: the run is cancelled when its client goes away, and fails with 504 when
 * it is not ready in a minute. Whatever ends an attempt, its clean-ups run. */
#include <stdio.h>
#include <stepwell.h>

static sw_app *app;

static void remove_draft(void *draft) { remove(draft); }

static sw_value write_draft(sw_ctx *c, sw_value chapter)
{
    char *draft = sw_printf(c, "draft-%s-%d", sw_step_key(c), (int)sw_as_int(chapter, 0));
    FILE *file = fopen(draft, "w");
    if (!file) sw_fail(c, "%s cannot be written", draft);
    fclose(file);
    sw_defer(c, remove_draft, draft); /* however the attempt ends */
    const char *url = sw_printf(c, "%s/chapters/%d", sw_flag_value(app, "service"), (int)sw_as_int(chapter, 0));
    return sw_get(sw_fetch_json(c, &(sw_request){.url = url, .timeout_ms = 30000}), "text");
}

static void on_report(sw_ctx *c)
{
    sw_value chapters = sw_array(c, 3, sw_int(1), sw_int(2), sw_int(3));
    sw_reply_json(c, 200, sw_each(c, "chapter", write_draft, chapters, 0));
}

int main(int argc, char **argv)
{
    app = sw_app_new("deadline");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "writes chapters");
    sw_endpoint(app, "GET /report", on_report, &(sw_endpoint_options){.timeout_ms = 60000, .on_disconnect = SW_CANCEL});
    return sw_main(app, argc, argv);
}
