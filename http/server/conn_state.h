/* conn_state: the machine of one server connection: five small ones, its *aspects*, which every event moves together.
 * Pure: it owns nothing, knows no socket, clock or memory, and decides nothing by itself. What may be done in a state
 * is asked here; what was done is an event. An event that is impossible in a state is a bug: the process ends with the
 * names of both and the reason.
 *
 *   life      READING --request--> ANSWERING --end--> READING
 *                |                     '--end last--> CLOSING
 *                '--refuse, finish------------------> CLOSING --linger--> LINGERING
 *             READING, ANSWERING, CUT --leave--> LEFT
 *             READING, ANSWERING, CLOSING, LINGERING --cut--> CUT
 *             all of these --close--> CLOSED --unwatch--> GONE, and freed when its exchange is NONE
 *
 *   exchange  NONE --request--> OPEN --begin--> STREAMING
 *             OPEN, STREAMING --end, end last, leave--> NONE
 *
 *   input     OPEN --end of input--> ENDED
 *
 *   output    EMPTY --queue--> QUEUED --sent--> EMPTY
 *             EMPTY, QUEUED --full--> BLOCKED --writable--> QUEUED
 *             EMPTY --skip--> SKIPPING --caught up--> EMPTY
 *             all --cut, leave, close--> EMPTY: bytes that waited are thrown away
 *
 *   holder    NONE --keep--> KEPT --hang up--> HUNG_UP
 *             NONE --take back--> TAKEN --request--> KEPT
 *             KEPT, HUNG_UP --release, leave--> NONE, and all --close--> NONE
 *
 * What always holds (tests/http/server/conn_state.c walks all states): one request at a time, the next waits; a
 * connection ends with a FIN only when no reply is short; nothing is read or written once it is cut or left; nothing is
 * read while the holder has it; bytes that a former process has sent of one reply are never left out of another. */
#ifndef HTTP_SERVER_CONN_STATE_H
#define HTTP_SERVER_CONN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum conn_life {
    LIFE_READING,   /* waits for a request, or has a part of one */
    LIFE_ANSWERING, /* the owner has the request */
    LIFE_CLOSING,   /* no other request is read; the last reply is being sent */
    LIFE_LINGERING, /* FIN is out. Reads on and forgets, because closing a socket with unread bytes resets it and takes
                       the reply's last bytes away */
    LIFE_CUT,       /* a reply is not whole and nobody goes on with it: reset when the loop runs it next */
    LIFE_LEFT,      /* another server or process goes on with it: closed here without a word to the client */
    LIFE_CLOSED,    /* the descriptor is closed; libuv still has the handle */
    LIFE_GONE,      /* libuv has let go */
    LIFE_COUNT
} conn_life;

typedef enum conn_exchange {
    EXCHANGE_NONE,
    EXCHANGE_OPEN,      /* the reply has not begun */
    EXCHANGE_STREAMING, /* its head is written; more comes */
    EXCHANGE_COUNT
} conn_exchange;

typedef enum conn_input {
    INPUT_OPEN,
    INPUT_ENDED, /* the client has sent its last byte */
    INPUT_COUNT
} conn_input;

typedef enum conn_output {
    OUTPUT_EMPTY,
    OUTPUT_SKIPPING, /* a former process has sent the reply's first bytes: they are written again, and left out here */
    OUTPUT_QUEUED,   /* bytes wait until the loop runs the connection next */
    OUTPUT_BLOCKED,  /* bytes wait until the kernel takes some */
    OUTPUT_COUNT
} conn_output;

/* What the holder has: another process, with a second descriptor of the connection, see http/server/server.h. */
typedef enum conn_holder {
    HOLDER_NONE,
    HOLDER_TAKEN,   /* taken back from the holder; its request is to be parsed anew */
    HOLDER_KEPT,    /* the next process can go on with the connection */
    HOLDER_HUNG_UP, /* KEPT, and the client has sent its last byte: to be released, since only writing tells whether the
                       client has gone */
    HOLDER_COUNT
} conn_holder;

typedef enum conn_event {
    EVENT_TAKE_BACK,    /* the connection came from the holder */
    EVENT_SKIP,         /* the former process has sent a part of the reply */
    EVENT_CAUGHT_UP,    /* the part that the former process has sent has been written again */
    EVENT_REQUEST,      /* a whole request is handed out */
    EVENT_REFUSE,       /* the server answers for the owner; no other request is read */
    EVENT_BEGIN,        /* a reply begins that is written in pieces */
    EVENT_END,          /* the reply is written, or the owner wants none */
    EVENT_END_LAST,     /* END of the last reply on the connection */
    EVENT_END_OF_INPUT, /* FIN from the client was read */
    EVENT_FINISH,       /* no other request will come or is wanted */
    EVENT_LINGER,       /* all bytes of the replies are with the kernel, and FIN */
    EVENT_QUEUE,        /* bytes have to wait */
    EVENT_FULL,         /* the kernel takes no bytes now */
    EVENT_WRITABLE,     /* the kernel takes bytes again */
    EVENT_SENT,         /* no byte waits any more */
    EVENT_KEEP,         /* the holder has the connection from now on as well */
    EVENT_HANG_UP,      /* FIN from the client was seen, not read, and the holder could not be told */
    EVENT_RELEASE,      /* the holder was told to let go */
    EVENT_LEAVE,        /* another server or process goes on with the connection */
    EVENT_CUT,          /* a reply cannot be whole any more, or the connection has failed */
    EVENT_CLOSE,        /* the descriptor is closed or moved */
    EVENT_UNWATCH,      /* libuv has let go of the handle */
    EVENT_COUNT
} conn_event;

typedef struct conn_state {
    uint8_t life, exchange, input, output, holder; /* of the enums above; all zero: just accepted */
} conn_state;

_Static_assert(LIFE_READING == 0 && EXCHANGE_NONE == 0 && INPUT_OPEN == 0 && OUTPUT_EMPTY == 0 && HOLDER_NONE == 0,
               "a connection that was just accepted is all zero");
/* The questions below compare with < and >=. */
_Static_assert(LIFE_CLOSING < LIFE_LINGERING && LIFE_LINGERING < LIFE_CUT && LIFE_CUT < LIFE_LEFT &&
                   LIFE_LEFT < LIFE_CLOSED && LIFE_CLOSED < LIFE_GONE,
               "lives in the order in which a connection ends");
_Static_assert(OUTPUT_SKIPPING < OUTPUT_QUEUED && OUTPUT_QUEUED < OUTPUT_BLOCKED, "bytes wait from QUEUED on");
_Static_assert(HOLDER_TAKEN < HOLDER_KEPT && HOLDER_KEPT < HOLDER_HUNG_UP, "the holder has it from KEPT on");

/* How far the request is that is being read, as the parser knows it. */
typedef enum conn_part { PART_BETWEEN, PART_HEAD, PART_BODY } conn_part;

/* Which time-out runs. */
typedef enum conn_watch {
    WATCH_NONE,
    WATCH_IDLE,
    WATCH_HEAD,
    WATCH_BODY,
    WATCH_WRITE,
    WATCH_LINGER,
    WATCH_COUNT
} conn_watch;

/* What the client sees of the descriptor's end. */
typedef enum conn_ending {
    ENDING_FIN,    /* all replies are whole, or none has begun */
    ENDING_RESET,  /* a reply is short: never a FIN, which could be taken for the reply's end */
    ENDING_PASSED, /* nothing: another server or process goes on */
    ENDING_COUNT
} conn_ending;

/* Moves the state; nothing else changes one. An event that is impossible in the state ends the process with a message.
 */
void conn_post(conn_state *s, conn_event event);
/* Returns why the event cannot happen in the state; NULL: it can. */
const char *conn_impossible(const conn_state *s, conn_event event);
/* Whether the combination of the five aspects is allowed. conn_post() checks the one it has come to, also in release
 * builds, which have assertions too: that takes a nanosecond or two. */
bool conn_state_valid(const conn_state *s);

typedef enum conn_aspect {
    ASPECT_LIFE,
    ASPECT_EXCHANGE,
    ASPECT_INPUT,
    ASPECT_OUTPUT,
    ASPECT_HOLDER,
    ASPECT_COUNT
} conn_aspect;
/* Returns why the aspect's table has no row for the pair; NULL: it has one. */
const char *conn_aspect_impossible(conn_aspect aspect, unsigned state, conn_event event);
/* Returns how often the pair's row was taken in this process; counted only with -Dtable_coverage=true. */
uint64_t conn_aspect_taken(conn_aspect aspect, unsigned state, conn_event event);
unsigned conn_aspect_states(conn_aspect aspect);
const char *conn_aspect_name(conn_aspect aspect, unsigned state);
/* Writes "ANSWERING, STREAMING, OPEN, EMPTY, KEPT" for people, cut if it does not fit. */
void conn_state_text(const conn_state *s, char *out, size_t size);
const char *conn_event_name(conn_event event);

/* Returns how a connection that closes now ends for its client. `followed`: this process stops and the next one takes
 * back what the holder has. Not of a closed one. */
conn_ending conn_ending_of(const conn_state *s, bool followed);
/* Returns what becomes of a connection whose time-out is over: EVENT_REFUSE (408) or EVENT_CLOSE. */
conn_event conn_timeout_event(conn_watch watch);

/* The holder can be given the connection, so that the next process writes the reply. */
bool conn_may_keep(const conn_state *s);
/* Another process can go on with the connection: it needs nothing but the bytes that were read and not answered. Never
 * in a body, nor with a reply under way. */
bool conn_may_leave(const conn_state *s, conn_part part);
/* Another server of this process can go on: the request goes along, and the unsent bytes of earlier replies. */
bool conn_may_move(const conn_state *s);
/* No request has begun and no reply is under way: the connection may end without anybody's loss. */
bool conn_may_finish(const conn_state *s, conn_part part);

static inline bool conn_is_closed(const conn_state *s) { return s->life >= LIFE_CLOSED; }
static inline bool conn_is_over(const conn_state *s) { return s->life >= LIFE_CUT; } /* neither read nor written */

static inline bool conn_may_write(const conn_state *s) { return s->life <= LIFE_CLOSING; }

/* Not while the holder has the connection: bytes that were read would be lost with this process. */
static inline bool conn_may_read(const conn_state *s)
{
    return s->life <= LIFE_LINGERING && s->input == INPUT_OPEN && s->holder == HOLDER_NONE;
}

/* While the holder has the connection, its end is watched for instead of reading. */
static inline bool conn_may_hang_up(const conn_state *s)
{
    return s->life <= LIFE_LINGERING && s->input == INPUT_OPEN && s->holder == HOLDER_KEPT;
}

/* Not while the connection is kept, since the holder knows one request only. */
static inline bool conn_may_parse(const conn_state *s) { return s->life == LIFE_READING && s->holder <= HOLDER_TAKEN; }

/* Nothing is left that the next process would have to do. */
static inline bool conn_may_release(const conn_state *s)
{
    return s->holder >= HOLDER_KEPT && s->exchange == EXCHANGE_NONE && s->output == OUTPUT_EMPTY && s->life < LIFE_CUT;
}

static inline bool conn_has_unsent(const conn_state *s) { return s->output >= OUTPUT_QUEUED; }

static inline conn_watch conn_watch_of(const conn_state *s, conn_part part)
{
    if (conn_has_unsent(s)) return WATCH_WRITE;
    if (s->life == LIFE_LINGERING) return WATCH_LINGER;
    if (s->life != LIFE_READING) return WATCH_NONE;
    switch (part) {
    case PART_BETWEEN:
        return WATCH_IDLE;
    case PART_HEAD:
        return WATCH_HEAD;
    case PART_BODY:
        break;
    }
    return WATCH_BODY;
}

#endif
