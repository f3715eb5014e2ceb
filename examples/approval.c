/* An expense that a person approves, who gets a letter with a link, has two days, and then gets a reminder. The run
 * that waits costs neither a thread nor memory, and survives every restart. The link leads to a page with two buttons;
 * the first answer counts. */
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
    static const char *const choices[] = {"approve", "refuse", NULL};
    sw_value what = sw_get(sw_body_json(c), "what"), decision = sw_nil();
    const sw_question question = {.text = sw_printf(c, "May we buy %s?", sw_cstr(c, what)), .choices = choices};
    const char *url = sw_signal_url(c, "question", "decision", &question);
    bool decided = false;
    for (int i = 0; i < 3 && !decided; i++) {
        sw_group *first = sw_group_new(c);
        sw_group_wait_for(first, "decision", &(sw_wait){.signal = "decision"}); /* no answer is too early */
        sw_step(c, i == 0 ? "letter" : "reminder", mail, sw_map(c, "what", what, "answer", sw_str(c, url)));
        sw_group_sleep(first, "patience", 2LL * 24 * 3600 * 1000);
        decided = sw_group_any(first, "first", &decision) == 0;
    }
    bool ok = sw_str_equal(decision, "approve");
    sw_reply_json(c, ok ? 200 : 403, sw_map(c, "paid", sw_bool(ok), "decided", sw_bool(decided)));
}

int main(int argc, char **argv)
{
    app = sw_app_new("approval");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "sends mail");
    sw_endpoint(app, "POST /expenses", on_expense, NULL);
    return sw_main(app, argc, argv);
}
