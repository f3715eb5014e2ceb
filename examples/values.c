/* Whatever JSON a client sends: its kinds are checked, its maps gone through, and a text is made of it. */
#include <stepwell.h>

static sw_app *app;

static sw_value mail(sw_ctx *c, sw_value text)
{
    const char *const headers[] = {"Content-Type: text/plain", sw_printf(c, "Idempotency-Key: %s", sw_step_key(c)),
                                   NULL};
    sw_bytes body = {sw_cstr(c, text), sw_len(text)};
    const char *url = sw_printf(c, "%s/mails", sw_flag_value(app, "service"));
    return sw_fetch_json(c, &(sw_request){.url = url, .headers = headers, .body = body});
}

static void on_invoice(sw_ctx *c)
{
    sw_value price, lines = sw_get(sw_body_json(c), "lines"); /* {"lamp": 12.5, "chair": 80} */
    double sum = 0;
    sw_text invoice = {0};
    for (size_t i = 0; i < sw_len(lines); i++) {
        const char *name = sw_cstr(c, sw_key_at(lines, i, &price)); /* NULL: the lines are no map */
        if (!name || (sw_type(price) != SW_INT && sw_type(price) != SW_FLOAT)) {
            sw_reply_json(c, 422, sw_map(c, "error", sw_strf(c, "%s has no price", name ? name : "a line")));
            return;
        }
        sw_text_add(c, &invoice, "%-20s %10.2f\n", name, sw_as_double(price, 0));
        sum += sw_as_double(price, 0);
    }
    sw_text_add(c, &invoice, "%-20s %10.2f\n", "sum", sum);
    sw_step(c, "mail", mail, sw_str(c, sw_text_str(&invoice)));
    sw_reply_text(c, 200, "%s", sw_text_str(&invoice));
}

int main(int argc, char **argv)
{
    app = sw_app_new("values");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "sends mail");
    sw_endpoint(app, "POST /invoices", on_invoice, NULL);
    return sw_main(app, argc, argv);
}
