/* An order whose parcels are sent by runs of their own; one that fails holds up no other: sw_group_call, .detached. */
#include <stepwell.h>

static sw_app *app;

static sw_value tell(sw_ctx *c, const char *path, sw_value what)
{
    const char *const headers[] = {sw_printf(c, "Idempotency-Key: %s", sw_step_key(c)), NULL};
    path = sw_printf(c, "%s%s", sw_flag_value(app, "service"), path);
    return sw_fetch_json(c, &(sw_request){.url = path, .headers = headers, .body = sw_json(c, what)});
}

static sw_value send_parcel(sw_ctx *c, sw_value item) { return tell(c, "/parcels", item); }
static sw_value send_mail(sw_ctx *c, sw_value parcels) { return tell(c, "/mails", parcels); }

static sw_value parcel(sw_ctx *c, sw_value item)
{
    if (sw_type(item) != SW_STRING) sw_fail_fatal(c, "an item is a text");
    return sw_step(c, "send", send_parcel, item);
}

static sw_value mail(sw_ctx *c, sw_value parcels) { return sw_step(c, "send", send_mail, parcels); }
static sw_value order(sw_ctx *c, sw_value items)
{
    sw_group *parcels = sw_group_new(c);
    for (size_t i = 0; i < sw_len(items); i++) sw_group_call(parcels, "parcel", "parcels/one", sw_at(items, i));
    sw_value sent = sw_group_settle(parcels);
    sw_call_with(c, "mail", "parcels/mail", sent, &(sw_call_options){.detached = true});
    return sent;
}

int main(int argc, char **argv)
{
    app = sw_app_new("parcels");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "sends parcels and mails");
    sw_function(app, "parcels/order", order, NULL);
    sw_function(app, "parcels/one", parcel, NULL);
    sw_function(app, "parcels/mail", mail, NULL);
    return sw_main(app, argc, argv);
}
