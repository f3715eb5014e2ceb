/* How often, how long and what then: ten attempts of two seconds for a service that is often busy; a last resort once
 * there is no hope for the first. What a step fails for decides: 404 is final at once, 503 and timeouts are not. */
#include <stepwell.h>

static sw_app *app;

static sw_value ask(sw_ctx *c, sw_value url) { return sw_fetch_json(c, &(sw_request){.url = sw_cstr(c, url)}); }

static void on_rate(sw_ctx *c)
{
    static const sw_step_options patient = {.retries = 9, .timeout_ms = 2000, .backoff_ms = 50, .backoff_max_ms = 1000};
    const char *service = sw_flag_value(app, "service"), *currency = sw_param(c, "currency");
    sw_value rate;
    sw_error why;
    if (sw_try_with(c, "ask", ask, sw_strf(c, "%s/rates/%s", service, currency), &patient, &rate, &why)) {
        sw_reply_json(c, 200, rate);
        return;
    }
    if (!why.retryable && why.status == 404) {
        sw_reply_json(c, 404, sw_map(c, "error", sw_strf(c, "there is no currency %s", currency)));
        return;
    }
    sw_log(c, "no rate for %s after %d attempts: %s", currency, why.attempts, why.message);
    sw_reply_json(c, 200, sw_step(c, "yesterday", ask, sw_strf(c, "%s/rates/%s/yesterday", service, currency)));
}

int main(int argc, char **argv)
{
    app = sw_app_new("retry");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "knows exchange rates");
    sw_endpoint(app, "GET /rates/:currency", on_rate, NULL);
    return sw_main(app, argc, argv);
}
