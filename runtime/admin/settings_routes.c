#include "runtime/admin/settings_routes.h"

#include <assert.h>
#include <string.h>

#include "http/server/server.h"
#include "runtime/admin/body.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/problem.h"
#include "runtime/base/value.h"
#include "runtime/run/program.h"
#include "runtime/run/settings.h"

static const char no_store[] = "this program has no endpoints, and so no journal that could keep settings";

/* ---- Writing them as JSON ---- */

static void put_setting(void *arg, const setting *one, bool is_of_nothing)
{
    json_writer *w = arg;
    sw_value v;
    const char *error = NULL;
    json_open_map(w, NULL);
    json_put_bytes(w, "name", one->name, strlen(one->name));
    if (value_unpack(&w->arena, one->value, one->value_len, &v, &error))
        json_put_value(w, "value", v);
    else
        w->is_short = w->is_short || error == value_no_memory;
    json_put_bytes(w, "by", one->by, strlen(one->by));
    json_put_int(w, "at", one->at_ms);
    if (is_of_nothing) json_put_value(w, "missing", sw_bool(true));
    json_close_map(w);
}

static void settings_reply(http_exchange *x, json_writer *w)
{
    const http_reply_header type = {"Content-Type", "application/json"};
    assert(w->depth == 0);
    json_put_newline(w);
    if (w->is_short)
        problem_reply(x, 503, store_no_memory, "5");
    else
        http_reply(x, 200, &type, 1, (http_text){w->out.data, w->out.size});
    json_writer_free(w);
}

void settings_answer_list(home *h, http_exchange *x)
{
    json_writer w;
    if (!settings_are_known(h->app->settings)) {
        problem_reply(x, 503, settings_unknown, "5");
        return;
    }
    json_writer_init(&w, h->arenas);
    json_open_map(&w, NULL);
    json_open_array(&w, "settings");
    if (h->app->settings) settings_each(h->app->settings, put_setting, &w);
    json_close_array(&w);
    json_close_map(&w);
    settings_reply(x, &w);
}

/* ---- Changing ---- */

static void setting_on_gone(http_exchange *x) { (void)x; /* it is written all the same; then the exchange is ended */ }

static void setting_on_done(void *arg, setting_result result, const setting *now, const char *error)
{
    http_exchange *x = arg;
    json_writer w;
    switch (result) {
    case SETTING_REFUSED:
        problem_reply(x, 503, error, "5");
        return;
    case SETTING_UNKNOWN: /* nobody may be told that nothing was set */
        http_reply_abort(x);
        return;
    case SETTING_DONE:
        break;
    }
    if (!now) {
        http_reply(x, 204, NULL, 0, (http_text){"", 0});
        return;
    }
    json_writer_init(&w, NULL);
    put_setting(&w, now, false);
    if (!w.is_short) {
        settings_reply(x, &w);
        return;
    }
    json_writer_free(&w);
    http_reply_abort(x); /* for want of memory; it is set, and 503 would say the contrary */
}

/* Takes x. */
static void settings_answer_change(home *h, http_exchange *x, const setting_wish *wish)
{
    int status = 0;
    const char *why = settings_object(h->app->settings, wish->name, wish->value, &status);
    if (why) {
        problem_reply(x, status, why, status == 503 ? "5" : NULL);
        return;
    }
    http_exchange_on_gone(x, setting_on_gone);
    why = settings_change(h, wish, setting_on_done, x);
    if (why) problem_reply(x, 503, why, "1");
}

void settings_answer_put(home *h, http_exchange *x, const char *name, const char *by)
{
    arena a;
    sw_value value;
    const body_member members[] = {{"value", SW_NIL, &value}};
    if (!h->app->settings) {
        problem_reply(x, 404, no_store, NULL);
        return;
    }
    arena_init(&a, h->arenas);
    if (body_read(x, &a, members, 1)) settings_answer_change(h, x, &(setting_wish){name, &value, by});
    arena_free(&a);
}

void settings_answer_delete(home *h, http_exchange *x, const char *name, const char *by)
{
    if (h->app->settings)
        settings_answer_change(h, x, &(setting_wish){name, NULL, by});
    else
        problem_reply(x, 404, no_store, NULL);
}
