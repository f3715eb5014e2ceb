#include "tests/simulation/shut.h"

#include <stdio.h>
#include <string.h>

#include "storage/memory/memory_core.h"
#include "tests/simulation/client_core.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"

/* ---- The operator ---- */

bool shut_any(void)
{
    for (unsigned i = 0; i < ENDPOINTS; i++)
        if (w->shut[i].is_shut) return true;
    return false;
}

client_target shut_wish(client *c, bool opens)
{
    unsigned at = world_below(RANDOM_LIVE, ENDPOINTS);
    while (opens && !w->shut[at].is_shut) at = (at + 1) % ENDPOINTS;
    c->endpoint = (int16_t)at;
    if (!opens && world_chance(RANDOM_LIVE, w->shut[at].is_shut ? 20 : 90)) return TARGET_SHUT;
    return world_chance(RANDOM_LIVE, 50) ? TARGET_OPEN : TARGET_UNSHUT;
}

static bool is_as_before(const client *c, const shut_endpoint *s)
{
    return s->has_row == c->had_row && s->is_shut == c->was_shut;
}

/* 200 and 204: the disk has it. 404: the program has no such endpoint, or there is no setting. 503: nothing was set. */
static bool is_rightly_told(const client *c, const shut_endpoint *s)
{
    bool lacks = c->endpoint == w->plan.epoch[w->epoch].lacks;
    switch (c->status) {
    case 200:
        return c->target != TARGET_UNSHUT && s->has_row && s->is_shut == (c->target == TARGET_SHUT);
    case 204:
        return c->target == TARGET_UNSHUT && !s->has_row;
    case 404:
        return is_as_before(c, s) && (c->target == TARGET_UNSHUT ? !c->had_row : lacks);
    default:
        return c->status == 503 && is_as_before(c, s);
    }
}

void shut_told(const client *c)
{
    shut_endpoint *s = &w->shut[c->endpoint];
    if (c->status == 0) return;
    PROMISE("setting told", is_rightly_told(c, s),
            "the operator was told %d, and the disk has %s setting of %s, which %s it: %.200s", c->status,
            s->has_row ? "a" : "no", program_routes[c->endpoint], s->is_shut ? "stops" : "does not stop", c->answer);
    s->is_asked = false;
    s->is_told = s->is_shut;
}

/* ---- The disk ---- */

static int endpoint_of_key(const void *key, size_t len)
{
    for (int i = 0; i < ENDPOINTS; i++) {
        char name[48];
        (void)snprintf(name, sizeof name, "endpoint:%s", program_routes[i]);
        if (len == strlen(name) && memcmp(key, name, len) == 0) return i;
    }
    return -1;
}

/* Of a row's value, which holds {"stopped": ...} as msgpack. */
static bool says_stopped(const void *value, size_t len) { return memmem(value, len, "stopped\xc3", 8) != NULL; }

static void take_row(const store_row *row)
{
    int at = endpoint_of_key(row->key.data, row->key.len);
    PROMISE("setting told", at >= 0 && w->shut[at].is_asked, "a setting is on disk that nobody asked for: %.*s",
            (int)row->key.len, (const char *)row->key.data);
    shut_endpoint *s = &w->shut[at];
    s->has_row = row->op == STORE_ROW_PUT;
    s->is_shut = s->has_row && says_stopped(row->value.data, row->value.len);
    s->changes++;
    w->met[MET_SHUT] += s->is_shut;
    world_note("%s is %s", program_routes[at], s->is_shut ? "stopped" : "not stopped");
}

void shut_committed(const store_segment *list)
{
    for (const store_segment *s = list; s; s = s->next)
        for (const store_row *row = s->outcome == STORE_DONE ? s->rows : NULL; row; row = row->next)
            if (strcmp(row->table, "settings") == 0) take_row(row);
}

static void find_endpoint(shut_endpoint *s, int at, const memory_row *row)
{
    bool is_shut = row && says_stopped(row->key + row->key_len, row->value_len);
    bool same = s->has_row == (row != NULL) && s->is_shut == is_shut;
    PROMISE("setting kept", same || s->is_asked, "the disk has %s setting of %s, which %s it, and had another",
            row ? "a" : "no", program_routes[at], is_shut ? "stops" : "does not stop");
    s->has_row = row != NULL;
    s->is_shut = s->is_told = is_shut;
    s->is_asked = false;
    s->changes++;
}

void shut_found(const memory_table *settings)
{
    for (int at = 0; at < ENDPOINTS; at++) {
        const memory_row *found = NULL;
        for (size_t i = 0; settings && i < settings->count; i++)
            if (endpoint_of_key(settings->rows[i].key, settings->rows[i].key_len) == at) found = &settings->rows[i];
        find_endpoint(&w->shut[at], at, found);
    }
}

/* ---- Requests ---- */

static bool is_setting(client_target t) { return t == TARGET_SHUT || t == TARGET_OPEN || t == TARGET_UNSHUT; }

void shut_note(client *c)
{
    bool sets = is_setting(c->target);
    if (!sets && c->target != TARGET_ENDPOINT) return;
    if (!sets) c->endpoint = (int16_t)w->jobs[c->job].endpoint;
    shut_endpoint *s = &w->shut[c->endpoint];
    s->is_asked |= sets;
    if (sets && c->target != TARGET_SHUT) s->is_told = false;
    c->asked_shut = s->is_told;
    c->had_row = s->has_row;
    c->was_shut = s->is_shut;
    c->shut_changes = s->changes;
}

void shut_cut(const client *c)
{
    if (c->target == TARGET_ENDPOINT && !c->asked_shut) w->cut_open[c->job] = true;
}

/* A request that was sent before the endpoint was stopped may come to it behind that. */
static bool is_under_way(int of)
{
    for (unsigned i = 0; i < w->plan.clients; i++) {
        const client *c = &w->clients[i];
        bool waits = c->state == CLIENT_SENDS || c->state == CLIENT_READS;
        if (c->job == of && c->target == TARGET_ENDPOINT && waits && !c->asked_shut) return true;
    }
    return w->cut_open[of];
}

void shut_new_run(const run_record *r)
{
    const shut_endpoint *s = &w->shut[w->jobs[r->job].endpoint];
    PROMISE("stopped for requests", !s->is_told || is_under_way(r->job), "run %d begins, and %s is stopped",
            (int)(r - w->runs), program_routes[w->jobs[r->job].endpoint]);
}

void shut_refused(const client *c)
{
    static const char why[] = "an operator has stopped this "; /* endpoint, or function */
    const shut_endpoint *s = &w->shut[w->jobs[c->job].endpoint];
    if (c->target != TARGET_ENDPOINT || !memmem(c->answer, c->answer_len, why, strlen(why))) return;
    w->met[MET_SHUT_REFUSED]++;
    PROMISE("stopped for requests", s->is_shut || s->changes > c->shut_changes || c->was_shut,
            "client %d is refused, and %s is not stopped", client_number(c), program_routes[c->endpoint]);
}
