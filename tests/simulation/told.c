/* told: what clients are told. */
#include <string.h>

#include "tests/simulation/client_core.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/standing.h"

/* A response of SW_RELAXED leaves before it is on disk. */
static bool may_be_early(const client *c) { return w->jobs[c->job].endpoint == ENDPOINT_HASTY; }

void promise_answered(client *c, run_record *r, int status, const char *body, size_t len)
{
    bool there = r && promise_has_ended_with(r, c->reopened_before, status, body, len);
    PROMISE("answer kept", there || may_be_early(c), "client %d got %d %.*s, the disk of run %d has %d %.*s",
            client_number(c), status, (int)len, body, c->run, r ? r->status : 0, r ? (int)r->body_len : 0,
            r ? r->body : "");
}

void promise_refused(const client *c, int status)
{
    uint32_t begun = 0, clients = 0;
    for (unsigned i = 0; i < w->plan.clients; i++) clients += w->clients[i].job == c->job;
    for (unsigned i = 0; i < w->run_count; i++)
        for (unsigned o = 0; o < OPS_MAX && w->runs[i].job == c->job; o++) begun += w->runs[i].ops[o].begun;
    PROMISE("refused is not done",
            c->target != TARGET_ENDPOINT || clients > 1 || c->requests > 1 || begun == c->begun_before,
            "client %d got %d, and %u attempts were made", client_number(c), status, begun - c->begun_before);
}

/* 200 and 409: it has ended, and how; while somebody has it go on after its end, 409 says only that it has. 202: it
 * will be cancelled. */
void promise_cancel_told(const client *c, run_record *r, int status)
{
    bool early = may_be_early(c) && status == 409;         /* it has ended, and the disk does not know yet */
    bool reopened = r && r->reopened > c->reopened_before; /* it had ended in one way or the other */
    bool cancelled = r && r->ended && r->outcome == ENTRY_CANCELLED;
    bool right = r && (status == 200   ? cancelled
                       : status == 409 ? r->ended && (!cancelled || r->asked_to_reopen)
                                       : status == 202);
    PROMISE("cancel told", right || early || reopened, "client %d was told %d of run %d, which %s", client_number(c),
            status, c->run,
            cancelled       ? "is cancelled"
            : r && r->ended ? "has ended"
                            : "goes on");
    if (status == 202 && !r->ended && !reopened) r->cancel_promised = true;
}

/* A stop that an entry tells of is over when *released* is on disk. */
static bool is_released(const client *c, const run_record *r)
{
    return r->ended || r->stop == 0 || r->stops > c->stops_before || r->reopened > c->reopened_before;
}

/* It stands for a step that has used its retries, as far as anybody can know. */
static bool is_the_clients(const run_record *r)
{
    static const char *const others[] = {"no endpoint", "unreadable", "not resumed"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (standing_is_named(r, r->job, others[i], strlen(others[i]))) return false;
    return r->stop == ENTRY_STOP_EXHAUSTED;
}

/* 200: it goes on. 202: it will. 409: it does not stand, or for a reason that a release does not end. 403: a client's
 * token is not enough for such a reason. */
void promise_release_told(const client *c, const run_record *r, int status)
{
    bool stood = r && !r->ended && c->stops_before > 0 && r->stop != 0 && r->stops == c->stops_before;
    /* A handler that has ended meanwhile ends the run, which an operator has stopped: the response is on its way. */
    bool ends = stood && r->stop == ENTRY_STOP_OPERATOR && program_verdict(r).kind != VERDICT_OPEN;
    bool good = (status == 403 && c->wish != WISH_OPERATE && !(stood && is_the_clients(r))) ||
                (status == 200 && r && is_released(c, r)) || status == 202 ||
                (status == 409 &&
                 (!stood || ends || may_be_early(c) || standing_may_end(r) ||
                  standing_is_named(r, r->job, "no endpoint", 11) || standing_is_named(r, r->job, "unreadable", 10)));
    w->met[MET_CLIENT_RELEASE] += status == 200 && c->wish != WISH_OPERATE;
    PROMISE("release told", good, "client %d was told %d by a release, and run %d has %u stops and %u releases: %s",
            client_number(c), status, c->run, r ? r->stops : 0, r ? r->releases : 0, c->answer);
}

/* 200: it stands, or has stood. 202: it will. 409: it has ended, or stands already. */
void promise_stop_told(const client *c, run_record *r, int status)
{
    bool has_stood = r->stops > c->stops_seen || c->stops_before > 0;
    bool has_ended = r->ended || r->reopened > c->reopened_before;
    bool good = status == 200   ? has_ended || r->stop == ENTRY_STOP_OPERATOR || r->releases > c->releases_before
                : status == 409 ? has_ended || r->stop != 0 || has_stood || may_be_early(c)
                                : status == 202;
    w->met[MET_STOP_REFUSED] += status == 409;
    PROMISE("stop told", good, "the operator was told %d by a stop, and run %d has %u stops (now %d), %u releases: %s",
            status, c->run, r->stops, r->stop, r->releases, c->answer);
    if (status == 202 && !r->ended && r->stop == 0) r->stop_owed = true;
}

/* 202: it goes on. 409: it has not ended, or has succeeded, or the program does not have its endpoint. */
void promise_resume_told(const client *c, const run_record *r, int status)
{
    bool could = c->ended_before && r->entries == c->entries_before && !standing_lacks(r->job);
    bool good = (status == 202 && r->reopened > c->reopened_before) || (status == 409 && (!could || may_be_early(c)));
    PROMISE("resume told", good, "the operator was told %d by a resume, and run %d has ended %d, was reopened %u: %s",
            status, c->run, r->ended, r->reopened, c->answer);
}

void promise_stopped_told(const client *c, const run_record *r, const char *reason, size_t len)
{
    world_note("client %d is told that run %d stands: %.*s", client_number(c), c->run, (int)len, reason);
    PROMISE("named", standing_is_named(r, c->job, reason, len), "client %d is told that run %d stands (%.*s)",
            client_number(c), c->run, (int)len, reason);
}

/* What the ledger would call it, if nothing has come to the disk since the question. */
static bool is_state(const run_record *r, const char *page)
{
    static const char *const ends[] = {"\"state\":\"succeeded\"", "\"state\":\"failed\"", "\"state\":\"cancelled\""};
    if (r->ended) return strstr(page, ends[r->outcome]) != NULL;
    if (standing(r)) return strstr(page, "\"state\":\"stopped\"") != NULL;
    return strstr(page, "\"state\":\"running\"") || strstr(page, "\"state\":\"sleeping\"");
}

void promise_page(const client *c, const run_record *r, const char *page, size_t len)
{
    bool same = r->on_disk && r->entries == c->entries_before && !standing_is_named(r, r->job, "unreadable", 10);
    const char *of = r->is_fork ? strstr(page, w->runs[r->origin].id) : NULL;
    bool names = (strstr(page, "\"forkedFrom\":\"") != NULL) == r->is_fork && (!r->is_fork || of);
    PROMISE("page", !same || names, "run %d is %sa fork; its page says %.*s", c->run, r->is_fork ? "" : "not ",
            len > 600 ? 600 : (int)len, page);
    PROMISE("page", !same || is_state(r, page), "run %d has ended %d, outcome %d, stop %d; its page says %.*s", c->run,
            r->ended, r->outcome, r->stop, len > 600 ? 600 : (int)len, page);
}

static uint64_t hash_of(const char *name, const char *text)
{
    uint64_t hash = 1;
    for (const char *p = name; *p; p++) hash = (hash ^ (unsigned char)*p) * 0x100000001b3U;
    for (const char *p = text; *p; p++) hash = (hash ^ (unsigned char)*p) * 0x100000001b3U;
    return hash;
}

void promise_frame(client *c, run_record *r, uint32_t number, const char *name, const char *text)
{
    uint64_t hash = hash_of(name, text);
    bool in_order = c->has_metadata && number == c->cursor + 1 && number < FRAMES_MAX;
    bool the_same = r && in_order && (r->frame_hash[number] == 0 || r->frame_hash[number] == hash);
    world_note("client %d frame %u %s", client_number(c), number, name);
    PROMISE("frames in order, once", the_same || (in_order && may_be_early(c)),
            "client %d has frame %u, and gets %u %s %s", client_number(c), c->cursor, number, name, text);
    r->frame_hash[number] = hash;
    c->cursor = number;
}

void promise_sense(const client *c, bool makes_sense, const char *what)
{
    PROMISE("sense", makes_sense, "client %d, run %d: %s: %d %.200s", client_number(c), c->run, what, c->status,
            c->answer);
}
