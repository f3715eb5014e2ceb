/* client_answer: what a client makes of what it is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/simulation/client_core.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/shut.h"
#include "tests/simulation/standing.h"

enum { REFUSALS_MAX = 40 };

/* Who has asked often asks more seldom. */
static int64_t a_moment(const client *c)
{
    return world_between(RANDOM_LIVE, 0, 300) + (c->requests > 20 ? (int64_t)c->requests * 100 : 0);
}

/* ---- What it knows of its run ---- */

static run_record *run_of(client *c)
{
    run_record *r = c->run_id[0] ? world_run(c->run_id) : NULL;
    if (r) c->run = (int16_t)(r - w->runs);
    promise_sense(c, !r || !r->is_fork, "a client of the original is sent to a fork");
    return c->run >= 0 ? &w->runs[c->run] : NULL;
}

/* The path of a URL on this server. */
static void take_url(client *c, const char *url, size_t len)
{
    const char *path = memmem(url, len, "/_sw/", 5);
    if (!path) return;
    size_t n = len - (size_t)(path - url);
    bool stream = memmem(path, n, "/stream?", 8) != NULL;
    (void)snprintf(stream ? c->stream : c->output, URL_MAX, "%.*s", (int)n, path);
    if (n > 10 + RUN_TEXT) (void)snprintf(c->run_id, sizeof c->run_id, "%.26s", path + strlen("/_sw/runs/"));
    (void)run_of(c);
}

/* ---- The next request ---- */

static void done(client *c)
{
    world_note("client %d is done", client_number(c));
    client_close(c);
    c->state = CLIENT_DONE;
}

static void gives_up(client *c)
{
    world_note("client %d gives up", client_number(c));
    client_close(c);
    c->state = CLIENT_GIVES_UP;
}

void client_cut(client *c)
{
    int64_t in_ms = world_between(RANDOM_LIVE, 0, 3000);
    if (c->wish == WISH_OPERATE) {
        c->status = 0;
        operator_answered(c);
        return;
    }
    shut_cut(c);
    world_note("client %d lost its connection", client_number(c));
    client_close(c);
    if (c->wish == WISH_STREAM && c->stream[0])
        client_ask_again(c, TARGET_STREAM, in_ms);
    else if (c->target == TARGET_RUN || c->target == TARGET_RELEASE)
        client_ask_again(c, c->target, in_ms);
    else if (c->output[0])
        client_ask_again(c, TARGET_OUTPUT, in_ms);
    else if (w->jobs[c->job].key[0])
        client_ask_again(c, TARGET_ENDPOINT, in_ms);
    else
        gives_up(c);
}

/* Where it goes when it knows its run. */
static client_target first_target(client *c)
{
    if (c->wish == WISH_CANCEL) return TARGET_RUN;
    if (c->wish != WISH_RELEASE) return TARGET_OUTPUT;
    c->steers = 1 + world_below(RANDOM_LIVE, 3);
    return TARGET_RELEASE;
}

/* The reason of a problem, or of a frame. */
static const char *reason_in(const char *text, size_t *len)
{
    static const char name[] = "\"reason\":\"";
    const char *at = strstr(text, name);
    if (!at) return NULL;
    at += sizeof name - 1;
    *len = strcspn(at, "\"");
    return at;
}

/* Its run stands, and it is told to come again. */
static bool is_stopped(client *c)
{
    size_t len;
    const char *reason = c->target == TARGET_OUTPUT ? reason_in(c->answer, &len) : NULL;
    if (!reason) return false;
    promise_stopped_told(c, run_of(c), reason, len);
    bool releases = c->wish == WISH_RELEASE && len == strlen("exhausted") && memcmp(reason, "exhausted", len) == 0;
    if (releases)
        client_ask_again(c, TARGET_RELEASE, a_moment(c));
    else
        client_ask_again(c, c->target, world_between(RANDOM_LIVE, 1000, 30000));
    return true;
}

static void answer_endpoint(client *c)
{
    run_record *r = run_of(c);
    bool from_run = c->run_id[0] != 0;
    switch (c->status) {
    case 202:
    case 303:
        take_url(c, c->location, strlen(c->location));
        if (strstr(c->location, "/stream?"))
            client_ask_again(c, TARGET_STREAM, a_moment(c));
        else
            client_ask_again(c, first_target(c), a_moment(c));
        return;
    case 503:
        if (is_stopped(c)) return;
        promise_refused(c, c->status);
        shut_refused(c);
        if (c->refusals++ < REFUSALS_MAX)
            client_ask_again(c, c->target, world_between(RANDOM_LIVE, 1000, 5000));
        else
            gives_up(c);
        return;
    case 500:
        if (!from_run) { /* the journal failed after a step had begun: nothing is recorded */
            promise_sense(c, c->target == TARGET_ENDPOINT && memmem(c->answer, c->answer_len, "not recorded", 12),
                          "a 500 without a run");
            gives_up(c);
            return;
        }
        break;
    case 404: /* SW_RELAXED forgets, and a program may not have the endpoint */
        if (c->target == TARGET_ENDPOINT && standing_lacks(c->job)) {
            client_ask_again(c, TARGET_ENDPOINT, world_between(RANDOM_LIVE, 1000, 5000));
            return;
        }
        promise_sense(c, client_may_be_forgotten(c), "its run is not there");
        gives_up(c);
        return;
    default:
        break;
    }
    promise_sense(c, c->status == 200 || c->status == 201 || c->status == 500 || c->status == 410 || c->status == 504,
                  "a status that no run has");
    promise_answered(c, r, c->status, c->answer, c->answer_len);
    done(c);
}

static void answer_stream(client *c)
{
    if (c->status == 200 && c->has_end) {
        done(c);
    } else if (c->status == 204) {
        promise_sense(c, c->cursor > 0, "204 to one who has no frame");
        done(c);
    } else if (c->status == 200) {
        client_ask_again(c, TARGET_STREAM, a_moment(c)); /* redirect_info, or cut */
    } else if (c->status == 303) {
        take_url(c, c->location, strlen(c->location));
        client_ask_again(c, TARGET_STREAM, a_moment(c));
    } else {
        answer_endpoint(c);
    }
}

static void answer_cancel(client *c)
{
    run_record *r = run_of(c);
    if (c->status == 503) {
        client_ask_again(c, TARGET_RUN, world_between(RANDOM_LIVE, 1000, 5000));
        return;
    }
    bool gone = (c->status == 404 || c->status == 500) && client_may_be_forgotten(c);
    if (!gone) promise_cancel_told(c, r, c->status);
    if (gone)
        gives_up(c);
    else
        client_ask_again(c, TARGET_OUTPUT, a_moment(c));
}

static void answer_release(client *c)
{
    run_record *r = run_of(c);
    bool gone = (c->status == 404 || c->status == 500) && client_may_be_forgotten(c);
    if (gone) {
        gives_up(c);
        return;
    }
    if (c->status != 503) promise_release_told(c, r, c->status);
    if (c->steers > 0) c->steers--;
    client_ask_again(c, c->steers > 0 ? TARGET_RELEASE : TARGET_OUTPUT, a_moment(c));
}

static void answered(client *c)
{
    if (c->wish == WISH_OPERATE) {
        operator_answered(c);
        return;
    }
    world_note("client %d has %d, run %d", client_number(c), c->status, c->run);
    c->at_ns = w->steady_ns;
    if (c->target == TARGET_RUN)
        answer_cancel(c);
    else if (c->target == TARGET_RELEASE)
        answer_release(c);
    else if (c->length < 0 || c->target == TARGET_STREAM)
        answer_stream(c);
    else
        answer_endpoint(c);
}

/* ---- Frames ---- */

/* One field of a frame; "" if it has none. */
static const char *field(const char *frame, const char *name, size_t *len)
{
    size_t n = strlen(name);
    for (const char *line = frame; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, name, n) != 0) continue;
        *len = strcspn(line + n, "\n");
        return line + n;
    }
    *len = 0;
    return "";
}

static void take_urls(client *c, const char *data)
{
    static const char *const names[] = {"\"streamUrl\":\"", "\"outputUrl\":\"", "\"url\":\""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *at = strstr(data, names[i]);
        if (at) take_url(c, at + strlen(names[i]), strcspn(at + strlen(names[i]), "\""));
    }
}

static void take_frame(client *c, const char *frame)
{
    size_t id_len, event_len, data_len;
    const char *id = field(frame, "id: ", &id_len), *named = field(frame, "event: ", &event_len);
    const char *data = field(frame, "data: ", &data_len);
    char name[40];
    (void)snprintf(name, sizeof name, "%.*s", (int)event_len, named);
    if (frame[0] == ':') return; /* a heartbeat */
    if (strcmp(name, "inngest.metadata") == 0 || strcmp(name, "inngest.redirect_info") == 0) take_urls(c, data);
    if (strcmp(name, "inngest.metadata") == 0) {
        promise_sense(c, !c->has_metadata, "metadata twice");
        c->cursor = (uint32_t)strtoul(id, NULL, 10);
        c->has_metadata = true;
        return;
    }
    if (strcmp(name, "stepwell.stopped") == 0) {
        size_t len = 0;
        const char *reason = reason_in(data, &len);
        promise_stopped_told(c, run_of(c), reason ? reason : "", len);
        return;
    }
    if (strcmp(name, "inngest.redirect_info") == 0 || id_len == 0) return;
    promise_frame(c, run_of(c), (uint32_t)strtoul(id, NULL, 10), name, data);
    if (strcmp(name, "inngest.response") == 0) c->has_end = true;
}

static void take_frames(client *c)
{
    c->frames[c->frames_len] = 0;
    for (char *end; (end = strstr(c->frames, "\n\n"));) {
        size_t n = (size_t)(end + 2 - c->frames);
        end[1] = 0;
        take_frame(c, c->frames);
        memmove(c->frames, c->frames + n, c->frames_len - n + 1);
        c->frames_len -= n;
    }
}

/* ---- Bytes ---- */

static void drop(client *c, size_t n)
{
    memmove(c->answer, c->answer + n, c->answer_len - n + 1);
    c->answer_len -= n;
}

static void header(const client *c, const char *name, char *out, size_t size)
{
    out[0] = 0;
    size_t n = strlen(name);
    for (const char *line = strstr(c->answer, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, n) == 0)
            (void)snprintf(out, size, "%.*s", (int)strcspn(line + 2 + n, "\r"), line + 2 + n);
}

static void read_head(client *c)
{
    char text[64];
    char *end = strstr(c->answer, "\r\n\r\n");
    if (!end) return;
    c->status = atoi(c->answer + strlen("HTTP/1.1 "));
    header(c, "Content-Length: ", text, sizeof text);
    c->length = *text ? atol(text) : c->status == 204 ? 0 : -1;
    header(c, "X-Run-Id: ", c->run_id, sizeof c->run_id);
    header(c, "Location: ", c->location, sizeof c->location);
    header(c, "Connection: ", text, sizeof text);
    c->closes = strcasecmp(text, "close") == 0;
    drop(c, (size_t)(end + 4 - c->answer));
}

/* False: there is not a whole chunk. */
static bool read_chunk(client *c, bool *last)
{
    char *line = strstr(c->answer, "\r\n");
    if (!line) return false;
    size_t n = strtoul(c->answer, NULL, 16), head = (size_t)(line + 2 - c->answer);
    if (c->answer_len < head + n + 2) return false;
    if (c->frames_len + n + 1 > sizeof c->frames) abort();
    memcpy(c->frames + c->frames_len, c->answer + head, n);
    c->frames_len += n;
    drop(c, head + n + 2);
    *last = n == 0;
    return true;
}

void client_read(client *c)
{
    bool last = false;
    if (c->status == 0) read_head(c);
    if (c->status == 0) return;
    if (c->length >= 0) {
        if (c->answer_len >= (size_t)c->length) answered(c);
        return;
    }
    while (!last && read_chunk(c, &last)) take_frames(c);
    if (last) answered(c);
}
