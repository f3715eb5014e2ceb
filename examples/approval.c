/* An expense that a person approves, who has two days and then gets a reminder. The run that waits costs neither a
 * thread nor memory, and survives every restart; the answer is sent to it as a signal, and taken once:
 * curl -d '{"ok":true,"by":"ann"}' 'http://.../_sw/runs/RUN/signals/decision?token=...' */
#include <stepwell.h>

static sw_app *app;

static sw_value mail(sw_ctx *c, sw_value letter)
{
    const char *key = sw_printf(c, "Idempotency-Key: %s", sw_step_key(c)); /* nobody gets a letter twice */
    const char *const headers[] = {"Content-Type: application/json", key, NULL};
    const char *url = sw_printf(c, "%s/mails", sw_flag_value(app, "service"));
    return sw_fetch_json(c, &(sw_request){.url = url, .headers = headers, .body = sw_json(c, letter)});
}

static void on_expense(sw_ctx *c)
{
    static const int64_t two_days_ms = 2LL * 24 * 3600 * 1000;
    sw_value what = sw_get(sw_body_json(c), "what"), decision = sw_nil(), run = sw_str(c, sw_run_id(c));
    const sw_wait wait = {.signal = "decision", .timeout_ms = two_days_ms};
    bool decided = false;
    for (int i = 0; i < 3 && !decided; i++) {
        sw_step(c, i == 0 ? "question" : "reminder", mail, sw_map(c, "what", what, "run", run));
        decided = sw_wait_for(c, "decision", &wait, &decision);
    }
    bool ok = decided && sw_as_bool(sw_get(decision, "ok"), false);
    sw_reply_json(c, ok ? 200 : 403, sw_map(c, "paid", sw_bool(ok), "by", sw_get(decision, "by")));
}

int main(int argc, char **argv)
{
    app = sw_app_new("approval");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "sends mail");
    sw_endpoint(app, "POST /expenses", on_expense, NULL);
    return sw_main(app, argc, argv);
}
