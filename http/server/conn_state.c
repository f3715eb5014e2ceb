#include "http/server/conn_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* A cell is the next state, STAY, or the reason why the event cannot happen in the state. */
enum { STAY = 0x40, NEVER = 0x80 };

enum never {
    NO_NEW = NEVER, /* the first reason */
    NO_ASK,
    NO_TWO,
    NO_LAST,
    NO_FIN,
    NO_MORE,
    NO_CUT,
    NO_LEFT,
    NO_GONE,
    NO_POLL,
    NO_HELD,
    NO_HOLDER,
    NO_TAKEN,
    NO_ENDED,
    NO_ANEW,
    NO_BEGUN,
    NO_SKIP,
    NO_AHEAD,
    NO_WAIT,
    NO_FULL,
    NO_REST,
    NEVER_END
};

static const char *const reasons[] = {
    [NO_NEW - NEVER] = "only a connection that has done nothing yet is taken back",
    [NO_ASK - NEVER] = "no owner has a request",
    [NO_TWO - NEVER] = "one request at a time: an owner has one",
    [NO_LAST - NEVER] = "the last request of the connection has been answered",
    [NO_FIN - NEVER] = "FIN is out: nothing follows it",
    [NO_MORE - NEVER] = "other replies may follow",
    [NO_CUT - NEVER] = "it is cut: nothing is read or written any more",
    [NO_LEFT - NEVER] = "another process goes on with it: nothing is read or written here",
    [NO_GONE - NEVER] = "its descriptor is closed",
    [NO_POLL - NEVER] = "libuv lets go of a handle once, after it was closed",
    [NO_HELD - NEVER] = "the holder has it: nothing is read, and the next request waits for its release",
    [NO_HOLDER - NEVER] = "nobody holds it",
    [NO_TAKEN - NEVER] = "its request is to be handed out first",
    [NO_ENDED - NEVER] = "the client has sent its last byte",
    [NO_ANEW - NEVER] = "a reply that another process began is resumed, never begun anew",
    [NO_BEGUN - NEVER] = "a reply begins once",
    [NO_SKIP - NEVER] = "what another process has sent of the reply is not accounted for yet",
    [NO_AHEAD - NEVER] = "no other process has sent a part of the reply",
    [NO_WAIT - NEVER] = "no byte waits to be sent",
    [NO_FULL - NEVER] = "the kernel has yet to say that it takes bytes again",
    [NO_REST - NEVER] = "bytes wait to be sent",
};
_Static_assert(sizeof reasons / sizeof reasons[0] == NEVER_END - NEVER, "each reason has its text");
_Static_assert(NEVER_END <= UINT8_MAX, "a cell holds each reason");
_Static_assert((int)LIFE_COUNT <= STAY, "no state is taken for STAY: of all aspects, life has the most");
_Static_assert((STAY & NEVER) == 0, "one reason among five cells shows in their union");

/* clang-format off */

#define ON(event) [EVENT_##event] =

#define TO(state) LIFE_##state
static const uint8_t lives[EVENT_COUNT][LIFE_COUNT] = {
    /*                READING        ANSWERING    CLOSING        LINGERING   CUT         LEFT        CLOSED    GONE */
    ON(TAKE_BACK)    {STAY,          NO_NEW,      NO_NEW,        NO_NEW,     NO_NEW,     NO_NEW,     NO_NEW,   NO_NEW},
    ON(SKIP)         {STAY,          NO_NEW,      NO_NEW,        NO_NEW,     NO_NEW,     NO_NEW,     NO_NEW,   NO_NEW},
    ON(CAUGHT_UP)    {NO_ASK,        STAY,        NO_ASK,        NO_FIN,     NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(REQUEST)      {TO(ANSWERING), NO_TWO,      NO_LAST,       NO_LAST,    NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(REFUSE)       {TO(CLOSING),   NO_TWO,      NO_LAST,       NO_LAST,    NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(BEGIN)        {NO_ASK,        STAY,        NO_ASK,        NO_ASK,     STAY,       NO_LEFT,    STAY,     STAY},
    ON(END)          {NO_ASK,        TO(READING), NO_ASK,        NO_ASK,     STAY,       NO_LEFT,    STAY,     STAY},
    ON(END_LAST)     {NO_ASK,        TO(CLOSING), NO_ASK,        NO_ASK,     STAY,       NO_LEFT,    STAY,     STAY},
    ON(END_OF_INPUT) {STAY,          STAY,        STAY,          STAY,       NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(FINISH)       {TO(CLOSING),   NO_TWO,      NO_LAST,       NO_LAST,    NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(LINGER)       {NO_MORE,       NO_MORE,     TO(LINGERING), NO_FIN,     NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(QUEUE)        {STAY,          STAY,        STAY,          NO_FIN,     NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(FULL)         {STAY,          STAY,        STAY,          NO_FIN,     NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(WRITABLE)     {STAY,          STAY,        STAY,          NO_FIN,     NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(SENT)         {STAY,          STAY,        STAY,          NO_FIN,     NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(KEEP)         {NO_ASK,        STAY,        NO_ASK,        NO_ASK,     NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(HANG_UP)      {STAY,          STAY,        STAY,          STAY,       NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(RELEASE)      {STAY,          STAY,        STAY,          STAY,       STAY,       NO_LEFT,    NO_GONE,  NO_GONE},
    ON(LEAVE)        {TO(LEFT),      TO(LEFT),    NO_LAST,       NO_LAST,    TO(LEFT),   NO_LEFT,    STAY,     STAY},
    ON(CUT)          {TO(CUT),       TO(CUT),     TO(CUT),       TO(CUT),    NO_CUT,     NO_LEFT,    NO_GONE,  NO_GONE},
    ON(CLOSE)        {TO(CLOSED),    TO(CLOSED),  TO(CLOSED),    TO(CLOSED), TO(CLOSED), TO(CLOSED), NO_GONE,  NO_GONE},
    ON(UNWATCH)      {NO_POLL,       NO_POLL,     NO_POLL,       NO_POLL,    NO_POLL,    NO_POLL,    TO(GONE), NO_POLL},
};
#undef TO

#define TO(state) EXCHANGE_##state
static const uint8_t exchanges[EVENT_COUNT][EXCHANGE_COUNT] = {
    /*                NONE      OPEN           STREAMING */
    ON(TAKE_BACK)    {STAY,     NO_NEW,        NO_NEW},
    ON(SKIP)         {STAY,     NO_NEW,        NO_NEW},
    ON(CAUGHT_UP)    {NO_ASK,   NO_ANEW,       STAY},
    ON(REQUEST)      {TO(OPEN), NO_TWO,        NO_TWO},
    ON(REFUSE)       {STAY,     NO_TWO,        NO_TWO},
    ON(BEGIN)        {NO_ASK,   TO(STREAMING), NO_BEGUN},
    ON(END)          {NO_ASK,   TO(NONE),      TO(NONE)},
    ON(END_LAST)     {NO_ASK,   TO(NONE),      TO(NONE)},
    ON(END_OF_INPUT) {STAY,     STAY,          STAY},
    ON(FINISH)       {STAY,     NO_TWO,        NO_TWO},
    ON(LINGER)       {STAY,     NO_TWO,        NO_TWO},
    ON(QUEUE)        {STAY,     STAY,          STAY},
    ON(FULL)         {STAY,     STAY,          STAY},
    ON(WRITABLE)     {STAY,     STAY,          STAY},
    ON(SENT)         {STAY,     STAY,          STAY},
    ON(KEEP)         {NO_ASK,   STAY,          STAY},
    ON(HANG_UP)      {STAY,     STAY,          STAY},
    ON(RELEASE)      {STAY,     STAY,          STAY},
    ON(LEAVE)        {STAY,     TO(NONE),      TO(NONE)},
    ON(CUT)          {STAY,     STAY,          STAY},
    ON(CLOSE)        {STAY,     STAY,          STAY},
    ON(UNWATCH)      {STAY,     STAY,          STAY},
};
#undef TO

static const uint8_t inputs[EVENT_COUNT][INPUT_COUNT] = {
    /*                OPEN         ENDED */
    ON(TAKE_BACK)    {STAY,        NO_NEW},
    ON(SKIP)         {STAY,        NO_NEW},
    ON(CAUGHT_UP)    {STAY,        STAY},
    ON(REQUEST)      {STAY,        STAY}, /* it was read before the end */
    ON(REFUSE)       {STAY,        STAY},
    ON(BEGIN)        {STAY,        STAY},
    ON(END)          {STAY,        STAY},
    ON(END_LAST)     {STAY,        STAY},
    ON(END_OF_INPUT) {INPUT_ENDED, NO_ENDED},
    ON(FINISH)       {STAY,        STAY},
    ON(LINGER)       {STAY,        STAY},
    ON(QUEUE)        {STAY,        STAY},
    ON(FULL)         {STAY,        STAY},
    ON(WRITABLE)     {STAY,        STAY},
    ON(SENT)         {STAY,        STAY},
    ON(KEEP)         {STAY,        STAY}, /* in a drain: the next process finds out whether it reads on */
    ON(HANG_UP)      {STAY,        NO_ENDED},
    ON(RELEASE)      {STAY,        STAY},
    ON(LEAVE)        {STAY,        STAY},
    ON(CUT)          {STAY,        STAY},
    ON(CLOSE)        {STAY,        STAY},
    ON(UNWATCH)      {STAY,        STAY},
};

#define TO(state) OUTPUT_##state
static const uint8_t outputs[EVENT_COUNT][OUTPUT_COUNT] = {
    /*                EMPTY         SKIPPING   QUEUED       BLOCKED */
    ON(TAKE_BACK)    {STAY,         NO_NEW,    NO_NEW,      NO_NEW},
    ON(SKIP)         {TO(SKIPPING), NO_NEW,    NO_NEW,      NO_NEW},
    ON(CAUGHT_UP)    {NO_AHEAD,     TO(EMPTY), NO_AHEAD,    NO_AHEAD},
    ON(REQUEST)      {STAY,         STAY,      STAY,        STAY},
    ON(REFUSE)       {STAY,         NO_SKIP,   STAY,        STAY},
    ON(BEGIN)        {STAY,         STAY,      STAY,        STAY},
    ON(END)          {STAY,         NO_SKIP,   STAY,        STAY},
    ON(END_LAST)     {STAY,         NO_SKIP,   STAY,        STAY},
    ON(END_OF_INPUT) {STAY,         STAY,      STAY,        STAY},
    ON(FINISH)       {STAY,         NO_SKIP,   STAY,        STAY},
    ON(LINGER)       {STAY,         NO_SKIP,   NO_REST,     NO_REST},
    ON(QUEUE)        {TO(QUEUED),   NO_SKIP,   STAY,        STAY},
    ON(FULL)         {TO(BLOCKED),  NO_SKIP,   TO(BLOCKED), NO_FULL},
    ON(WRITABLE)     {NO_WAIT,      NO_WAIT,   NO_WAIT,     TO(QUEUED)},
    ON(SENT)         {NO_WAIT,      NO_WAIT,   TO(EMPTY),   NO_FULL},
    ON(KEEP)         {STAY,         NO_SKIP,   STAY,        STAY},
    ON(HANG_UP)      {STAY,         STAY,      STAY,        STAY},
    ON(RELEASE)      {STAY,         STAY,      STAY,        STAY},
    ON(LEAVE)        {STAY,         TO(EMPTY), TO(EMPTY),   TO(EMPTY)},
    ON(CUT)          {STAY,         TO(EMPTY), TO(EMPTY),   TO(EMPTY)},
    ON(CLOSE)        {STAY,         TO(EMPTY), TO(EMPTY),   TO(EMPTY)},
    ON(UNWATCH)      {STAY,         NO_GONE,   NO_GONE,     NO_GONE},
};
#undef TO

#define TO(state) HOLDER_##state
static const uint8_t holders[EVENT_COUNT][HOLDER_COUNT] = {
    /*                NONE       TAKEN     KEPT         HUNG_UP */
    ON(TAKE_BACK)    {TO(TAKEN), NO_NEW,   NO_NEW,      NO_NEW},
    ON(SKIP)         {NO_HOLDER, STAY,     NO_NEW,      NO_NEW},
    ON(CAUGHT_UP)    {STAY,      NO_TAKEN, STAY,        STAY}, /* released: its client has hung up meanwhile */
    ON(REQUEST)      {STAY,      TO(KEPT), NO_HELD,     NO_HELD},
    ON(REFUSE)       {STAY,      NO_HELD,  NO_HELD,     NO_HELD},
    ON(BEGIN)        {STAY,      NO_TAKEN, STAY,        STAY},
    ON(END)          {STAY,      NO_TAKEN, STAY,        STAY},
    ON(END_LAST)     {STAY,      NO_TAKEN, STAY,        STAY},
    ON(END_OF_INPUT) {STAY,      NO_HELD,  NO_HELD,     NO_HELD},
    ON(FINISH)       {STAY,      NO_TAKEN, STAY,        NO_HELD}, /* kept: the client has ended, see KEEP */
    ON(LINGER)       {STAY,      NO_TAKEN, STAY,        STAY}, /* the holder could not be told in time */
    ON(QUEUE)        {STAY,      NO_TAKEN, STAY,        STAY},
    ON(FULL)         {STAY,      NO_TAKEN, STAY,        STAY},
    ON(WRITABLE)     {STAY,      NO_TAKEN, STAY,        STAY},
    ON(SENT)         {STAY,      NO_TAKEN, STAY,        STAY},
    ON(KEEP)         {TO(KEPT),  NO_HELD,  NO_HELD,     NO_HELD},
    ON(HANG_UP)      {NO_HOLDER, NO_TAKEN, TO(HUNG_UP), NO_ENDED},
    ON(RELEASE)      {NO_HOLDER, NO_TAKEN, TO(NONE),    TO(NONE)},
    ON(LEAVE)        {STAY,      NO_TAKEN, TO(NONE),    TO(NONE)},
    ON(CUT)          {STAY,      STAY,     STAY,        STAY},
    ON(CLOSE)        {STAY,      TO(NONE), TO(NONE),    TO(NONE)},
    ON(UNWATCH)      {STAY,      NO_GONE,  NO_GONE,     NO_GONE},
};
#undef TO

/* What exchange, output and holder may be in each state of life: a bit for each of their states. */
#define EXCHANGE(state) (1u << EXCHANGE_##state)
#define OUTPUT(state)   (1u << (8 + OUTPUT_##state))
#define HOLDER(state)     (1u << (16 + HOLDER_##state))
#define EXCHANGES       (EXCHANGE(NONE) | EXCHANGE(OPEN) | EXCHANGE(STREAMING))
#define UNSENT          (OUTPUT(QUEUED) | OUTPUT(BLOCKED))
#define HELD            (HOLDER(KEPT) | HOLDER(HUNG_UP))

static const uint32_t allowed[LIFE_COUNT] = {
    [LIFE_READING]   = EXCHANGE(NONE) | OUTPUT(EMPTY) | OUTPUT(SKIPPING) | UNSENT | HOLDER(NONE) | HOLDER(TAKEN) | HELD,
    [LIFE_ANSWERING] = EXCHANGE(OPEN) | EXCHANGE(STREAMING) |
                       OUTPUT(EMPTY) | OUTPUT(SKIPPING) | UNSENT | HOLDER(NONE) | HELD,
    [LIFE_CLOSING]   = EXCHANGE(NONE) | OUTPUT(EMPTY) | UNSENT | HOLDER(NONE) | HELD,
    [LIFE_LINGERING] = EXCHANGE(NONE) | OUTPUT(EMPTY) | HOLDER(NONE) | HELD,
    [LIFE_CUT]       = EXCHANGES | OUTPUT(EMPTY) | HOLDER(NONE) | HOLDER(TAKEN) | HELD,
    [LIFE_LEFT]      = EXCHANGE(NONE) | OUTPUT(EMPTY) | HOLDER(NONE),
    [LIFE_CLOSED]    = EXCHANGES | OUTPUT(EMPTY) | HOLDER(NONE),
    [LIFE_GONE]      = EXCHANGES | OUTPUT(EMPTY) | HOLDER(NONE),
};
/* clang-format on */

_Static_assert(EXCHANGE_COUNT <= 8 && OUTPUT_COUNT <= 8 && HOLDER_COUNT <= 8, "an octet of bits for each aspect");

static inline bool conn_state_is_allowed(const conn_state *s)
{
    uint32_t bits = 1u << s->exchange | 1u << (8 + s->output) | 1u << (16 + s->holder);
    if (bits & ~allowed[s->life]) return false;
    if (s->holder == HOLDER_NONE) return s->output != OUTPUT_SKIPPING || s->life == LIFE_ANSWERING;
    if (s->holder != HOLDER_KEPT && s->input != INPUT_OPEN) return false; /* a held connection is not read */
    if (s->holder == HOLDER_TAKEN)
        return s->exchange == EXCHANGE_NONE && !conn_has_unsent(s); /* nothing has been done */
    return s->output != OUTPUT_SKIPPING || (s->life == LIFE_ANSWERING && s->input == INPUT_OPEN);
}

bool conn_state_valid(const conn_state *s) { return conn_state_is_allowed(s); }

/* ---- Names ---- */

#define NAME(kind, state) [kind##_##state] = #state

static const char *const life_names[] = {NAME(LIFE, READING),   NAME(LIFE, ANSWERING), NAME(LIFE, CLOSING),
                                         NAME(LIFE, LINGERING), NAME(LIFE, CUT),       NAME(LIFE, LEFT),
                                         NAME(LIFE, CLOSED),    NAME(LIFE, GONE)};
static const char *const exchange_names[] = {NAME(EXCHANGE, NONE), NAME(EXCHANGE, OPEN), NAME(EXCHANGE, STREAMING)};
static const char *const input_names[] = {NAME(INPUT, OPEN), NAME(INPUT, ENDED)};
static const char *const output_names[] = {NAME(OUTPUT, EMPTY), NAME(OUTPUT, SKIPPING), NAME(OUTPUT, QUEUED),
                                           NAME(OUTPUT, BLOCKED)};
static const char *const holder_names[] = {NAME(HOLDER, NONE), NAME(HOLDER, TAKEN), NAME(HOLDER, KEPT),
                                           NAME(HOLDER, HUNG_UP)};
static const char *const event_names[] = {
    NAME(EVENT, TAKE_BACK), NAME(EVENT, SKIP),   NAME(EVENT, CAUGHT_UP),    NAME(EVENT, REQUEST),
    NAME(EVENT, REFUSE),    NAME(EVENT, BEGIN),  NAME(EVENT, END),          NAME(EVENT, END_LAST),
    NAME(EVENT, FINISH),    NAME(EVENT, LINGER), NAME(EVENT, END_OF_INPUT), NAME(EVENT, QUEUE),
    NAME(EVENT, FULL),      NAME(EVENT, SENT),   NAME(EVENT, WRITABLE),     NAME(EVENT, KEEP),
    NAME(EVENT, HANG_UP),   NAME(EVENT, LEAVE),  NAME(EVENT, RELEASE),      NAME(EVENT, CUT),
    NAME(EVENT, CLOSE),     NAME(EVENT, UNWATCH)};

_Static_assert(sizeof life_names / sizeof life_names[0] == LIFE_COUNT, "each life has its name");
_Static_assert(sizeof exchange_names / sizeof exchange_names[0] == EXCHANGE_COUNT, "each exchange has its name");
_Static_assert(sizeof input_names / sizeof input_names[0] == INPUT_COUNT, "each input has its name");
_Static_assert(sizeof output_names / sizeof output_names[0] == OUTPUT_COUNT, "each output has its name");
_Static_assert(sizeof holder_names / sizeof holder_names[0] == HOLDER_COUNT, "each holder has its name");
_Static_assert(sizeof event_names / sizeof event_names[0] == EVENT_COUNT, "each event has its name");

const char *conn_event_name(conn_event event)
{
    assert(event < EVENT_COUNT);
    return event_names[event];
}

/* ---- The tables as one ---- */

static const struct {
    const uint8_t *cells; /* by event, then by state */
    const char *const *names;
    unsigned states, first; /* `first`: how many states the aspects before it have */
} aspects[ASPECT_COUNT] = {
    [ASPECT_LIFE] = {lives[0], life_names, LIFE_COUNT, 0},
    [ASPECT_EXCHANGE] = {exchanges[0], exchange_names, EXCHANGE_COUNT, LIFE_COUNT},
    [ASPECT_INPUT] = {inputs[0], input_names, INPUT_COUNT, LIFE_COUNT + EXCHANGE_COUNT},
    [ASPECT_OUTPUT] = {outputs[0], output_names, OUTPUT_COUNT, LIFE_COUNT + EXCHANGE_COUNT + INPUT_COUNT},
    [ASPECT_HOLDER] = {holders[0], holder_names, HOLDER_COUNT,
                       LIFE_COUNT + EXCHANGE_COUNT + INPUT_COUNT + OUTPUT_COUNT},
};

unsigned conn_aspect_states(conn_aspect aspect)
{
    assert(aspect < ASPECT_COUNT);
    return aspects[aspect].states;
}

const char *conn_aspect_name(conn_aspect aspect, unsigned state)
{
    assert(aspect < ASPECT_COUNT && state < aspects[aspect].states);
    return aspects[aspect].names[state];
}

const char *conn_aspect_impossible(conn_aspect aspect, unsigned state, conn_event event)
{
    assert(aspect < ASPECT_COUNT && state < aspects[aspect].states);
    assert(event < EVENT_COUNT);
    uint8_t cell = aspects[aspect].cells[event * aspects[aspect].states + state];
    return cell >= NEVER ? reasons[cell - NEVER] : NULL;
}

const char *conn_impossible(const conn_state *s, conn_event event)
{
    const uint8_t states[ASPECT_COUNT] = {s->life, s->exchange, s->input, s->output, s->holder};
    const char *why = NULL;
    for (unsigned aspect = 0; aspect < ASPECT_COUNT && !why; aspect++)
        why = conn_aspect_impossible(aspect, states[aspect], event);
    return why;
}

void conn_state_text(const conn_state *s, char *out, size_t size)
{
    (void)snprintf(out, size, "%s, %s, %s, %s, %s", life_names[s->life], exchange_names[s->exchange],
                   input_names[s->input], output_names[s->output], holder_names[s->holder]);
}

/* ---- Counting ---- */

#ifdef SW_COVERAGE_TABLE
static uint64_t rows_taken[LIFE_COUNT + EXCHANGE_COUNT + INPUT_COUNT + OUTPUT_COUNT + HOLDER_COUNT][EVENT_COUNT];

static void count_rows(const conn_state *s, conn_event event)
{
    const uint8_t states[ASPECT_COUNT] = {s->life, s->exchange, s->input, s->output, s->holder};
    for (unsigned aspect = 0; aspect < ASPECT_COUNT; aspect++)
        (void)__atomic_add_fetch(&rows_taken[aspects[aspect].first + states[aspect]][event], 1, __ATOMIC_RELAXED);
}

uint64_t conn_aspect_taken(conn_aspect aspect, unsigned state, conn_event event)
{
    assert(state < aspects[aspect].states && event < EVENT_COUNT);
    return __atomic_load_n(&rows_taken[aspects[aspect].first + state][event], __ATOMIC_RELAXED);
}
#else
static void count_rows(const conn_state *s, conn_event event)
{
    (void)s;
    (void)event;
}

uint64_t conn_aspect_taken(conn_aspect aspect, unsigned state, conn_event event)
{
    assert(state < aspects[aspect].states && event < EVENT_COUNT);
    return 0;
}
#endif

/* ---- Transitions ---- */

static __attribute__((noreturn, cold)) void conn_die_impossible(const conn_state *s, conn_event event, const char *why)
{
    char text[96];
    conn_state_text(s, text, sizeof text);
    (void)fprintf(stderr, "impossible transition of a connection: state \"%s\", event \"%s\": %s\n", text,
                  event_names[event], why);
    abort();
}

static inline uint8_t next_state(uint8_t cell, uint8_t state) { return cell == STAY ? state : cell; }

void conn_post(conn_state *s, conn_event event)
{
    uint8_t life = lives[event][s->life], exchange = exchanges[event][s->exchange], input = inputs[event][s->input];
    uint8_t output = outputs[event][s->output], holder = holders[event][s->holder];
    if ((life | exchange | input | output | holder) >= NEVER) conn_die_impossible(s, event, conn_impossible(s, event));
    count_rows(s, event);
    s->life = next_state(life, s->life);
    s->exchange = next_state(exchange, s->exchange);
    s->input = next_state(input, s->input);
    s->output = next_state(output, s->output);
    s->holder = next_state(holder, s->holder);
    if (!conn_state_is_allowed(s)) conn_die_impossible(s, event, "it led here, and no such combination is allowed");
}

/* ---- What follows from a state ---- */

conn_ending conn_ending_of(const conn_state *s, bool followed)
{
    assert(s->life < LIFE_CLOSED); /* it ends once */
    if (s->life == LIFE_LEFT) return ENDING_PASSED;
    if (s->life == LIFE_CUT) return ENDING_RESET;
    if (followed && (s->holder == HOLDER_TAKEN || s->holder == HOLDER_KEPT) && s->input == INPUT_OPEN)
        return ENDING_PASSED;
    return s->output != OUTPUT_EMPTY || s->exchange == EXCHANGE_STREAMING ? ENDING_RESET : ENDING_FIN;
}

conn_event conn_timeout_event(conn_watch watch)
{
    assert(watch < WATCH_COUNT);
    return watch == WATCH_HEAD || watch == WATCH_BODY ? EVENT_REFUSE : EVENT_CLOSE;
}

bool conn_may_keep(const conn_state *s)
{
    if (s->life != LIFE_ANSWERING || s->holder != HOLDER_NONE) return false;
    /* Unsent bytes of an earlier reply would be lost; those of this reply, if it is streamed, go to the next process.
     */
    return s->output == OUTPUT_EMPTY || (conn_has_unsent(s) && s->exchange == EXCHANGE_STREAMING);
}

bool conn_may_leave(const conn_state *s, conn_part part)
{
    bool is_quiet = s->output == OUTPUT_EMPTY && s->holder == HOLDER_NONE;
    return s->life == LIFE_READING && s->input == INPUT_OPEN && is_quiet && part != PART_BODY;
}

bool conn_may_move(const conn_state *s)
{
    return s->life == LIFE_ANSWERING && s->exchange == EXCHANGE_OPEN && s->output != OUTPUT_SKIPPING &&
           s->holder == HOLDER_NONE;
}

bool conn_may_finish(const conn_state *s, conn_part part)
{
    return s->life == LIFE_READING && s->output == OUTPUT_EMPTY && s->holder == HOLDER_NONE && part == PART_BETWEEN;
}
