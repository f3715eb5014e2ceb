/* A POST that clients may repeat: one Idempotency-Key is one transfer, for each of them, for a day. A client that lost
 * its connection asks again with the same key and body, and gets the response of the run that its first request began.
 */
#include <stepwell.h>

static sw_app *app;

static sw_value move_money(sw_ctx *c, sw_value transfer)
{
    const char *key = sw_printf(c, "Idempotency-Key: %s", sw_step_key(c));
    const char *const headers[] = {"Content-Type: application/json", key, NULL};
    const char *url = sw_printf(c, "%s/transfers", sw_flag_value(app, "service"));
    return sw_fetch_json(c, &(sw_request){.url = url, .headers = headers, .body = sw_json(c, transfer)});
}

static void on_transfer(sw_ctx *c)
{
    if (!sw_header(c, "idempotency-key")) {
        sw_reply_json(c, 400, sw_map(c, "error", sw_str(c, "send an Idempotency-Key: it makes asking again safe")));
        return;
    }
    sw_value receipt = sw_step_with(c, "move", move_money, sw_body_json(c), &(sw_step_options){.sync = true});
    sw_reply_json(c, 201, receipt);
}

int main(int argc, char **argv)
{
    app = sw_app_new("idempotent");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "moves money");
    sw_endpoint(app, "POST /transfers", on_transfer,
                &(sw_endpoint_options){.caller_header = "authorization", .retain_ms = 24 * 3600 * 1000});
    return sw_main(app, argc, argv);
}
