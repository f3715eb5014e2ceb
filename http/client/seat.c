/* seat: what one host has in one multi: its connections there, and the calls on them. A multi's connections are for its
 * own transfers alone. So a call goes to a seat where a connection waits for it, before another multi opens one more.
 * Owns neither the multi nor the connections; frees itself with the last of its calls and connections.
 *
 *   HTTP/2 (and over TLS as long as nobody knows):  takes calls until its session is full, also when its multi is
 *   HTTP/1.1:                                       takes a call for each idle connection, while its multi has room
 */
#include <assert.h>
#include <stdlib.h>

#include "http/client/client_core.h"

enum { SEATS_TRIED = 8 /* of a host with many, before a connection is opened instead */ };

static bool seat_multiplexes(const client_seat *s) { return s->shares && !s->host->serial; }

static bool seat_takes(const client_seat *s)
{
    if (s->multi->broken) return false;
    if (seat_multiplexes(s)) return s->calls < CLIENT_SESSION_CALLS;
    return s->calls < s->connections && multi_has_room(s->multi);
}

/* Seats that have been left last lie in front: those that take no call go to the end. */
static client_seat *seat_pick(struct seat_list *seats)
{
    for (int tried = 0; tried < SEATS_TRIED && !TAILQ_EMPTY(seats); tried++) {
        client_seat *s = TAILQ_FIRST(seats);
        if (seat_takes(s)) return s;
        TAILQ_REMOVE(seats, s, seats);
        TAILQ_INSERT_TAIL(seats, s, seats);
    }
    return NULL;
}

static client_seat *seat_find(const struct seat_list *seats, const client_multi *multi)
{
    client_seat *s;
    TAILQ_FOREACH(s, seats, seats)
    {
        if (s->multi == multi) return s;
    }
    return NULL;
}

/* Another session of a host gets a multi of its own: in one that has a session already, curl alone would decide which
 * of the two a call goes to. */
static client_seat *seat_make(client_host *host, bool shares)
{
    struct seat_list *seats = &host->seats[shares];
    client_seat *s = NULL;
    client_multi *multi;
    size_t at = 0;
    do {
        multi = multi_next_with_room(host->client, &at);
        s = multi ? seat_find(seats, multi) : NULL;
    } while (s && seat_multiplexes(s));
    if (s || !multi) return s;
    s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->host = host;
    s->multi = multi;
    s->shares = shares;
    TAILQ_INSERT_TAIL(seats, s, seats);
    return s;
}

static void seat_free_if_unused(client_seat *s)
{
    client_host *host = s->host;
    if (s->calls > 0 || s->connections > 0) return;
    TAILQ_REMOVE(&host->seats[s->shares], s, seats);
    free(s);
    host_free_if_unused(host);
}

client_seat *seat_take(http_call *call)
{
    client_host *host = call->host;
    bool shares = transfer_shares(call);
    client_seat *s = seat_pick(&host->seats[shares]);
    if (!s) s = seat_make(host, shares);
    if (!s) return NULL;
    s->calls++;
    s->multi->running++;
    return s;
}

void seat_leave(client_seat *s)
{
    struct seat_list *seats = &s->host->seats[s->shares];
    assert(s->calls > 0);
    s->calls--;
    multi_transfer_left(s->multi);
    if (TAILQ_FIRST(seats) != s) {
        TAILQ_REMOVE(seats, s, seats);
        TAILQ_INSERT_HEAD(seats, s, seats);
    }
    seat_free_if_unused(s);
}

void seat_learn_version(client_seat *s, long version)
{
    if (!s->shares || version == CURL_HTTP_VERSION_NONE) return;
    s->host->serial = version < CURL_HTTP_VERSION_2_0;
}

void seat_gain_connection(client_seat *s)
{
    assert(s->calls > 0);
    s->connections++;
}

void seat_lose_connection(client_seat *s)
{
    assert(s->connections > 0);
    s->connections--;
    seat_free_if_unused(s);
}
