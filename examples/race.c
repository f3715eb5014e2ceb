/* The first of several: two models are asked at once, and the first answer counts; the other model's call is cut. If
 * neither has answered within a minute, the client is told so. Which it was is decided once, whatever dies when. */
#include <stepwell.h>

static sw_app *app;

static sw_value ask(sw_ctx *c, sw_value url) { return sw_fetch_json(c, &(sw_request){.url = sw_cstr(c, url)}); }

static void on_question(sw_ctx *c)
{
    enum { MODELS = 2 };
    static const char *const models[MODELS] = {"quick", "thorough"};
    const char *service = sw_flag_value(app, "service"), *question = sw_param(c, "question");
    sw_value answer;
    sw_group *g = sw_group_new(c);
    for (size_t i = 0; i < MODELS; i++)
        sw_group_step(g, models[i], ask, sw_strf(c, "%s/models/%s/%s", service, models[i], question));
    sw_group_sleep(g, "deadline", 60000);
    size_t first = sw_group_any(g, "first", &answer); /* a model that fails decides nothing */
    if (first < MODELS)
        sw_reply_json(c, 200, sw_map(c, "by", sw_str(c, models[first]), "answer", answer));
    else
        sw_reply_json(c, 504, sw_map(c, "error", sw_str(c, "no model has answered in time")));
}

int main(int argc, char **argv)
{
    app = sw_app_new("race");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "where the models are");
    sw_endpoint(app, "GET /answers/:question", on_question, NULL);
    return sw_main(app, argc, argv);
}
