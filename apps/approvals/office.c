/* office: what the agent depends on, for trying it out: sends mail and pays money back. Each request is a run, so that
 * an Idempotency-Key which is sent again does nothing again. GET /ledger says what was done; it is in memory. */
#include <pthread.h>
#include <stdlib.h>
#include <stepwell.h>
#include <string.h>

enum { DONE_MAX = 100000 };

/* What the office has done, as JSON. */
typedef struct done {
    const char *kind; /* "mails", "refunds" */
    char *json;
} done;

/* Of what follows: handlers run on several threads. */
static pthread_mutex_t ledger_lock = PTHREAD_MUTEX_INITIALIZER;
static done ledger[DONE_MAX];
static size_t ledger_count;

static sw_value ledger_add(sw_ctx *c, const char *kind, sw_value what)
{
    char *json = strdup(sw_json(c, what).data);
    (void)pthread_mutex_lock(&ledger_lock);
    bool has_room = json && ledger_count < DONE_MAX;
    if (has_room) ledger[ledger_count++] = (done){kind, json};
    (void)pthread_mutex_unlock(&ledger_lock);
    if (!has_room) sw_fail(c, "the ledger is full");
    return sw_map(c, "id", sw_str(c, sw_run_id(c)));
}

static sw_value send_mail(sw_ctx *c, sw_value mail) { return ledger_add(c, "mails", mail); }
static sw_value pay_back(sw_ctx *c, sw_value refund) { return ledger_add(c, "refunds", refund); }

static void on_mail(sw_ctx *c) { sw_reply_json(c, 201, sw_step(c, "send", send_mail, sw_body_json(c))); }
static void on_refund(sw_ctx *c) { sw_reply_json(c, 201, sw_step(c, "pay", pay_back, sw_body_json(c))); }

static void on_ledger(sw_ctx *c)
{
    sw_value mails = sw_array(c, 0), refunds = sw_array(c, 0);
    (void)pthread_mutex_lock(&ledger_lock);
    size_t count = ledger_count; /* what lies before it does not change */
    (void)pthread_mutex_unlock(&ledger_lock);
    for (size_t i = 0; i < count; i++) {
        const done *d = &ledger[i];
        sw_push(c, strcmp(d->kind, "mails") == 0 ? &mails : &refunds, sw_json_parse(c, d->json, strlen(d->json)));
    }
    sw_reply_json(c, 200, sw_map(c, "mails", mails, "refunds", refunds));
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("office");
    sw_route(app, "GET /ledger", on_ledger);
    sw_endpoint(app, "POST /mails", on_mail, NULL);
    sw_endpoint(app, "POST /refunds", on_refund, NULL);
    return sw_main(app, argc, argv);
}
