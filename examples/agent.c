/* An agent: a model that asks for tools until it can answer. Its words reach the client while they come. Each turn and
 * each tool is a step: a resumed agent pays for none twice. The model streams {"text"}, then {"tool"} or {"answer"}. */
#include <stepwell.h>

static sw_app *app;

static sw_value think(sw_ctx *c, sw_value messages)
{
    sw_request q = {.url = sw_printf(c, "%s/model", sw_flag_value(app, "service")), .body = sw_json(c, messages)};
    sw_stream *s = sw_fetch_open(c, &q);
    sw_response_check(c, &q, sw_fetch_head(s));
    sw_value turn = sw_nil();
    for (sw_sse e; sw_sse_next(s, &e);) {
        turn = sw_json_parse(c, e.data, e.len);
        if (!sw_is_nil(sw_get(turn, "text"))) sw_push_chunk(c, sw_get(turn, "text"));
    }
    return turn;
}

static sw_value fetch(sw_ctx *c, sw_value url) { return sw_fetch_json(c, &(sw_request){.url = sw_cstr(c, url)}); }

static void on_ask(sw_ctx *c)
{
    sw_value turn = sw_nil(), messages = sw_array(c, 1, sw_map(c, "user", sw_str(c, sw_query(c, "q"))));
    for (int turns = 0; turns < 10 && sw_is_nil(sw_get(turn, "answer")); turns++) {
        turn = sw_step_with(c, "think", think, messages, &(sw_step_options){.sync = true}); /* it costs money */
        if (sw_is_nil(sw_get(turn, "tool"))) continue;
        const char *tool = sw_cstr(c, sw_get(turn, "tool")), *service = sw_flag_value(app, "service");
        sw_push(c, &messages, sw_step(c, "use-tool", fetch, sw_strf(c, "%s/tools/%s", service, tool)));
    }
    sw_reply_json(c, 200, sw_get(turn, "answer"));
}

int main(int argc, char **argv)
{
    app = sw_app_new("agent");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "where the model and the tools are");
    sw_endpoint(app, "GET /ask", on_ask, NULL);
    return sw_main(app, argc, argv);
}
