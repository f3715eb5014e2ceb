/* A report for each night: a function that begins by itself at 02:30 in Berlin, once for each night, whatever happens
 * to the process. To try it at once: POST /_sw/schedules/reports/nightly of the admin API. */
#include <stepwell.h>

static sw_app *app;

static sw_value collect(sw_ctx *c, sw_value until)
{
    const char *service = sw_flag_value(app, "service");
    return sw_fetch_json(c,
                         &(sw_request){.url = sw_printf(c, "%s/sales/%lld", service, (long long)sw_as_int(until, 0))});
}

static sw_value send_mail(sw_ctx *c, sw_value report)
{
    const char *key = sw_printf(c, "Idempotency-Key: %s", sw_step_key(c));
    const char *const headers[] = {"Content-Type: application/json", key, NULL};
    const char *url = sw_printf(c, "%s/mails", sw_flag_value(app, "service"));
    return sw_fetch_json(c, &(sw_request){.url = url, .headers = headers, .body = sw_json(c, report)});
}

static sw_value nightly(sw_ctx *c, sw_value input) /* {"schedule": "reports/nightly", "scheduled_at": Unix ms} */
{
    sw_value sales = sw_step(c, "collect", collect, sw_get(input, "scheduled_at"));
    return sw_step(c, "mail", send_mail, sw_map(c, "sales", sales));
}

int main(int argc, char **argv)
{
    app = sw_app_new("nightly");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "knows the sales and sends mails");
    sw_function(app, "reports/nightly", nightly,
                &(sw_function_options){.cron = "30 2 * * *",
                                       .timezone = "Europe/Berlin",
                                       .overlap = SW_OVERLAP_QUEUE,       /* a long night delays the next one */
                                       .catch_up_ms = 12 * 3600 * 1000}); /* a report at noon is better than none */
    return sw_main(app, argc, argv);
}
