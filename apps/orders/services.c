/* services: what a shop depends on, for trying it out: takes payments, packs parcels, sends mail. Each request is a
 * run, so that an Idempotency-Key which is sent again does nothing again. A payment is paid after --pays-after, unless
 * it was cancelled before, and whoever asked for it is told at its "notify". GET /ledger says what was done; it is in
 * memory. */
#include <pthread.h>
#include <stdlib.h>
#include <stepwell.h>
#include <string.h>

enum { DONE_MAX = 100000, DAY_MS = 24 * 3600 * 1000, NOTIFY_RETRIES = 100, NOTIFY_PAUSE_MAX_MS = 5000 };

/* What a service has done. */
typedef struct done {
    char kind[16]; /* "payments", "cancellations", "parcels", "mails" */
    int64_t at_ms, cents;
    char text[128];
} done;

static sw_app *app;
static pthread_mutex_t ledger_lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows: handlers run on several threads */
static done ledger[DONE_MAX];
static size_t ledger_count;

/* ---- The ledger ---- */

/* Under the lock. */
static bool ledger_has(const char *kind, const char *text)
{
    for (size_t i = 0; i < ledger_count; i++)
        if (strcmp(ledger[i].kind, kind) == 0 && strcmp(ledger[i].text, text) == 0) return true;
    return false;
}

/* Adds what is done, unless something of the kind `unless` was done with that text (NULL: in any case). Returns whether
 * it is done. */
static bool ledger_add(const char *unless, const done *what)
{
    (void)pthread_mutex_lock(&ledger_lock);
    bool may_be = !unless || !ledger_has(unless, what->text);
    if (may_be && ledger_count < DONE_MAX) ledger[ledger_count++] = *what;
    (void)pthread_mutex_unlock(&ledger_lock);
    return may_be;
}

static done done_now(sw_ctx *c, const char *kind, const char *text)
{
    done d = {.at_ms = sw_now(c)};
    (void)strncpy(d.kind, kind, sizeof d.kind - 1);
    (void)strncpy(d.text, text ? text : "", sizeof d.text - 1);
    return d;
}

/* What was done on that day, counted from the Unix epoch in UTC; NULL: on any. */
static sw_value ledger_of(sw_ctx *c, const char *kind, const char *day)
{
    sw_value list = sw_array(c, 0);
    for (size_t i = 0; i < ledger_count; i++) {
        const done *d = &ledger[i];
        if (strcmp(d->kind, kind) != 0 || (day && d->at_ms / DAY_MS != atoll(day))) continue;
        sw_push(c, &list, sw_map(c, "cents", sw_int(d->cents), "text", sw_str(c, d->text)));
    }
    return list;
}

/* ?day= */
static void on_ledger(sw_ctx *c)
{
    const char *day = sw_query(c, "day");
    (void)pthread_mutex_lock(&ledger_lock);
    sw_value all = sw_map(c, "payments", ledger_of(c, "payments", day), "parcels", ledger_of(c, "parcels", day),
                          "mails", ledger_of(c, "mails", day), "cancellations", ledger_of(c, "cancellations", day));
    (void)pthread_mutex_unlock(&ledger_lock);
    sw_reply_json(c, 200, all);
}

/* ---- What is done ---- */

static sw_value pack(sw_ctx *c, sw_value parcel)
{
    const done d = done_now(c, "parcels", sw_cstr(c, sw_get(parcel, "item")));
    (void)ledger_add(NULL, &d);
    return sw_map(c, "parcel", sw_str(c, sw_run_id(c)), "item", sw_get(parcel, "item"));
}

static sw_value send_mail(sw_ctx *c, sw_value mail)
{
    const char *text = sw_printf(c, "%s: %s", sw_cstr(c, sw_get(mail, "to")), sw_cstr(c, sw_get(mail, "subject")));
    const done d = done_now(c, "mails", text);
    (void)ledger_add(NULL, &d);
    return sw_map(c, "sent", sw_bool(true));
}

/* Returns whether it was taken: of a payment that was cancelled it is not. */
static sw_value take_money(sw_ctx *c, sw_value payment)
{
    done d = done_now(c, "payments", sw_cstr(c, sw_get(payment, "payment")));
    d.cents = sw_as_int(sw_get(payment, "cents"), 0);
    return sw_bool(ledger_add("cancellations", &d));
}

/* What becomes of a payment that is to be cancelled: it may be paid already. */
static sw_value cancel(sw_ctx *c, sw_value payment)
{
    const done d = done_now(c, "cancellations", sw_cstr(c, sw_get(payment, "payment")));
    return sw_map(c, "status", sw_str(c, ledger_add("payments", &d) ? "cancelled" : "paid"));
}

static sw_value notify(sw_ctx *c, sw_value payment)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    sw_value news = sw_map(c, "status", sw_str(c, "paid"), "payment", sw_get(payment, "payment"));
    const sw_request request = {
        .url = sw_cstr(c, sw_get(payment, "notify")), .headers = headers, .body = sw_json(c, news)};
    return sw_fetch_json(c, &request);
}

/* The payer pays; the shop is told, for as long as it is not there. */
static sw_value settle(sw_ctx *c, sw_value payment)
{
    if (!sw_as_bool(sw_step(c, "take", take_money, payment), false)) return sw_nil();
    return sw_step_with(c, "notify", notify, payment,
                        &(sw_step_options){.retries = NOTIFY_RETRIES, .backoff_max_ms = NOTIFY_PAUSE_MAX_MS});
}

/* ---- Requests ---- */

static void on_payment(sw_ctx *c)
{
    sw_value payment = sw_body_json(c), id = sw_str(c, sw_run_id(c));
    if (sw_type(sw_get(payment, "notify")) != SW_STRING || sw_as_int(sw_get(payment, "cents"), -1) < 0) {
        sw_reply_text(c, 400, "a payment has \"cents\", and \"notify\", the URL that is told of it\n");
        return;
    }
    sw_set(c, &payment, "payment", id);
    int64_t pays_at_ms = sw_now(c) + atoll(sw_flag_value(app, "pays-after"));
    (void)sw_call_with(c, "settle", "payments/settle", payment,
                       &(sw_call_options){.detached = true, .at_ms = pays_at_ms});
    sw_reply_json(c, 201, sw_map(c, "payment", id, "status", sw_str(c, "pending")));
}

static void on_cancellation(sw_ctx *c)
{
    sw_value payment = sw_body_json(c);
    if (sw_type(sw_get(payment, "payment")) != SW_STRING) {
        sw_reply_text(c, 400, "a cancellation has the \"payment\" that it is of\n");
        return;
    }
    sw_reply_json(c, 201, sw_step(c, "cancel", cancel, payment));
}

static void on_parcel(sw_ctx *c) { sw_reply_json(c, 201, sw_step(c, "pack", pack, sw_body_json(c))); }
static void on_mail(sw_ctx *c) { sw_reply_json(c, 201, sw_step(c, "mail", send_mail, sw_body_json(c))); }

int main(int argc, char **argv)
{
    app = sw_app_new("services");
    sw_flag(app, "pays-after", "MS", "1000", "how long a payer takes");
    sw_route(app, "GET /ledger", on_ledger);
    sw_endpoint(app, "POST /payments", on_payment, NULL);
    sw_endpoint(app, "POST /cancellations", on_cancellation, NULL);
    sw_endpoint(app, "POST /parcels", on_parcel, NULL);
    sw_endpoint(app, "POST /mails", on_mail, NULL);
    sw_function(app, "payments/settle", settle, NULL);
    return sw_main(app, argc, argv);
}
