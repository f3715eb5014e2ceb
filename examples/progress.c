/* A long job that says what it is about, how far it is and what it has cost: operators find the run by its label,
 * whoever reads its stream sees the status, and the sum of the usage stands in the list of runs. */
#include <stepwell.h>

static sw_app *app;

static sw_value translate(sw_ctx *c, sw_value chapter)
{
    const char *url = sw_printf(c, "%s/chapters/%d", sw_flag_value(app, "service"), (int)sw_as_int(chapter, 0));
    sw_value answer = sw_fetch_json(c, &(sw_request){.url = url});
    /* At once: an attempt that fails behind this line was paid for, too. */
    sw_usage(c, &(sw_usage_of){.model = "translator", .units = sw_as_int(sw_get(answer, "price"), 0)});
    return sw_get(answer, "text");
}

static void on_book(sw_ctx *c)
{
    enum { CHAPTERS = 5 };
    sw_value book = sw_nil();
    sw_label(c, "title", sw_param(c, "title"));
    for (int i = 1; i <= CHAPTERS; i++) {
        sw_push(c, &book, sw_step(c, "translate", translate, sw_int(i)));
        sw_status(c, sw_map(c, "done", sw_int(i), "of", sw_int(CHAPTERS)));
    }
    sw_reply_json(c, 200, book);
}

int main(int argc, char **argv)
{
    app = sw_app_new("progress");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "translates chapters, for a price");
    sw_endpoint(app, "GET /books/:title", on_book, NULL);
    return sw_main(app, argc, argv);
}
