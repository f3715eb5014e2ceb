/* The machine of a server connection: every state it can come to, every pair of a state and an event, and what always
 * holds. Compiled with its own copy of the tables, which counts their rows. */
#include "http/server/conn_state.h"
#include "tests/harness/dies.h"

enum { STATES_MAX = LIFE_COUNT * EXCHANGE_COUNT * INPUT_COUNT * OUTPUT_COUNT * HOLDER_COUNT };

static const conn_part parts[] = {PART_BETWEEN, PART_HEAD, PART_BODY};

static bool reached[STATES_MAX], ends[STATES_MAX];
static size_t reached_count;

static size_t index_of(const conn_state *s)
{
    size_t i = s->life;
    i = i * EXCHANGE_COUNT + s->exchange;
    i = i * INPUT_COUNT + s->input;
    i = i * OUTPUT_COUNT + s->output;
    return i * HOLDER_COUNT + s->holder;
}

static conn_state state_at(size_t i)
{
    conn_state s = {.holder = (uint8_t)(i % HOLDER_COUNT)};
    s.output = (uint8_t)((i /= HOLDER_COUNT) % OUTPUT_COUNT);
    s.input = (uint8_t)((i /= OUTPUT_COUNT) % INPUT_COUNT);
    s.exchange = (uint8_t)((i /= INPUT_COUNT) % EXCHANGE_COUNT);
    s.life = (uint8_t)(i / EXCHANGE_COUNT);
    return s;
}

static bool can(const conn_state *s, conn_event event) { return conn_impossible(s, event) == NULL; }

static conn_state moved(const conn_state *s, conn_event event)
{
    conn_state to = *s;
    conn_post(&to, event);
    return to;
}

static bool is_freed(const conn_state *s) { return s->life == LIFE_GONE && s->exchange == EXCHANGE_NONE; }

static void reach(const conn_state *s)
{
    if (reached[index_of(s)]) return;
    reached[index_of(s)] = true;
    reached_count++;
    for (conn_event e = 0; e < EVENT_COUNT && !is_freed(s); e++) {
        if (!can(s, e)) continue;
        conn_state to = moved(s, e);
        reach(&to);
    }
}

/* The states that a connection can come to from its first. */
static void walk(void)
{
    conn_state first = {0};
    if (reached_count == 0) reach(&first);
}

#define EACH_REACHED(s)                                                                                                \
    for (size_t at_##s = 0; at_##s < STATES_MAX; at_##s++)                                                             \
        for (conn_state s = state_at(at_##s), *once = reached[at_##s] ? &s : NULL; once; once = NULL)

static void say(const conn_state *s, const char *what)
{
    char text[96];
    conn_state_text(s, text, sizeof text);
    printf("# %s: %s\n", text, what);
}

/* What is allowed is what happens: no combination is allowed that cannot be reached, and none is reached that is not.
 */
static void allowed_is_reached(void)
{
    size_t wrong = 0;
    walk();
    for (size_t i = 0; i < STATES_MAX; i++) {
        conn_state s = state_at(i);
        CHECK_INT(index_of(&s), i);
        if (conn_state_valid(&s) == reached[i]) continue;
        say(&s, reached[i] ? "is reached and not allowed" : "is allowed and never reached");
        wrong++;
    }
    CHECK_INT(wrong, 0);
    CHECK(reached_count > 50);
}

/* In every table each pair is a row that is taken, or has a reason. */
static void every_pair(void)
{
    size_t wrong = 0, rows = 0;
    walk();
    for (conn_aspect aspect = 0; aspect < ASPECT_COUNT; aspect++) {
        for (unsigned state = 0; state < conn_aspect_states(aspect); state++) {
            for (conn_event e = 0; e < EVENT_COUNT; e++) {
                const char *why = conn_aspect_impossible(aspect, state, e);
                CHECK(!why || strlen(why) > 10);
                if (why) continue;
                rows++;
                if (conn_aspect_taken(aspect, state, e) > 0) continue;
                printf("# aspect %u: no connection gets %s in %s\n", (unsigned)aspect, conn_event_name(e),
                       conn_aspect_name(aspect, state));
                wrong++;
            }
        }
    }
    printf("# %zu states, %zu rows\n", reached_count, rows);
    CHECK_INT(wrong, 0);
}

/* ---- The same in other words ---- */

static bool model_can(const conn_state *s, conn_event event)
{
    bool is_held = s->holder == HOLDER_KEPT || s->holder == HOLDER_HUNG_UP, is_taken = s->holder == HOLDER_TAKEN;
    bool is_alive = s->life <= LIFE_LINGERING, writes = s->life <= LIFE_CLOSING && !is_taken;
    bool is_reading = s->life == LIFE_READING, is_skipping = s->output == OUTPUT_SKIPPING;
    switch (event) {
    case EVENT_TAKE_BACK:
        return is_reading && s->input == INPUT_OPEN && s->output == OUTPUT_EMPTY && s->holder == HOLDER_NONE;
    case EVENT_SKIP:
        return is_reading && is_taken && !is_skipping;
    case EVENT_CAUGHT_UP:
        return is_skipping && s->exchange == EXCHANGE_STREAMING;
    case EVENT_REQUEST:
        return is_reading && !is_held;
    case EVENT_REFUSE:
        return is_reading && s->holder == HOLDER_NONE;
    case EVENT_BEGIN:
        return s->exchange == EXCHANGE_OPEN;
    case EVENT_END:
    case EVENT_END_LAST:
        return s->exchange != EXCHANGE_NONE && !is_skipping;
    case EVENT_END_OF_INPUT:
        return is_alive && s->input == INPUT_OPEN && s->holder == HOLDER_NONE;
    case EVENT_FINISH:
        return is_reading && (s->holder == HOLDER_NONE || s->holder == HOLDER_KEPT);
    case EVENT_LINGER:
        return s->life == LIFE_CLOSING && s->output == OUTPUT_EMPTY;
    case EVENT_QUEUE:
        return writes && !is_skipping;
    case EVENT_FULL:
        return writes && !is_skipping && s->output != OUTPUT_BLOCKED;
    case EVENT_WRITABLE:
        return s->output == OUTPUT_BLOCKED;
    case EVENT_SENT:
        return s->output == OUTPUT_QUEUED;
    case EVENT_KEEP:
        return s->life == LIFE_ANSWERING && s->holder == HOLDER_NONE && !is_skipping;
    case EVENT_HANG_UP:
        return is_alive && s->holder == HOLDER_KEPT && s->input == INPUT_OPEN;
    case EVENT_RELEASE:
        return is_held;
    case EVENT_LEAVE:
        return !is_taken && (is_reading || s->life == LIFE_ANSWERING || s->life == LIFE_CUT || s->life >= LIFE_CLOSED);
    case EVENT_CUT:
        return is_alive;
    case EVENT_CLOSE:
        return s->life < LIFE_CLOSED;
    case EVENT_UNWATCH:
        return s->life == LIFE_CLOSED;
    case EVENT_COUNT:
        break;
    }
    CHECK(!"no such event");
    return false;
}

static uint8_t life_after(const conn_state *s, conn_event event)
{
    bool is_answering = s->life == LIFE_ANSWERING;
    switch (event) {
    case EVENT_REQUEST:
        return LIFE_ANSWERING;
    case EVENT_END:
        return is_answering ? LIFE_READING : s->life;
    case EVENT_END_LAST:
        return is_answering ? LIFE_CLOSING : s->life;
    case EVENT_REFUSE:
    case EVENT_FINISH:
        return LIFE_CLOSING;
    case EVENT_LINGER:
        return LIFE_LINGERING;
    case EVENT_LEAVE:
        return s->life < LIFE_CLOSED ? LIFE_LEFT : s->life;
    case EVENT_CUT:
        return LIFE_CUT;
    case EVENT_CLOSE:
        return LIFE_CLOSED;
    case EVENT_UNWATCH:
        return LIFE_GONE;
    default:
        return s->life;
    }
}

static conn_state model_after(const conn_state *s, conn_event event)
{
    bool ends_exchange = event == EVENT_END || event == EVENT_END_LAST || event == EVENT_LEAVE;
    bool drops = event == EVENT_CUT || event == EVENT_LEAVE || event == EVENT_CLOSE;
    bool frees = event == EVENT_RELEASE || event == EVENT_LEAVE || event == EVENT_CLOSE;
    conn_state to = *s;
    to.life = life_after(s, event);
    if (ends_exchange) to.exchange = EXCHANGE_NONE;
    if (event == EVENT_REQUEST) to.exchange = EXCHANGE_OPEN;
    if (event == EVENT_BEGIN) to.exchange = EXCHANGE_STREAMING;
    if (event == EVENT_END_OF_INPUT) to.input = INPUT_ENDED;
    if (drops || event == EVENT_SENT || event == EVENT_CAUGHT_UP) to.output = OUTPUT_EMPTY;
    if (event == EVENT_SKIP) to.output = OUTPUT_SKIPPING;
    if (event == EVENT_WRITABLE || (event == EVENT_QUEUE && s->output == OUTPUT_EMPTY)) to.output = OUTPUT_QUEUED;
    if (event == EVENT_FULL) to.output = OUTPUT_BLOCKED;
    if (frees) to.holder = HOLDER_NONE;
    if (event == EVENT_TAKE_BACK) to.holder = HOLDER_TAKEN;
    if (event == EVENT_KEEP || (event == EVENT_REQUEST && s->holder == HOLDER_TAKEN)) to.holder = HOLDER_KEPT;
    if (event == EVENT_HANG_UP) to.holder = HOLDER_HUNG_UP;
    return to;
}

static void the_model_agrees(void)
{
    size_t wrong = 0;
    walk();
    EACH_REACHED(s)
    {
        for (conn_event e = 0; e < EVENT_COUNT; e++) {
            bool is_same = can(&s, e) == model_can(&s, e);
            if (is_same && can(&s, e)) {
                conn_state to = moved(&s, e), wanted = model_after(&s, e);
                is_same = index_of(&to) == index_of(&wanted);
            }
            if (!is_same) say(&s, conn_event_name(e));
            wrong += !is_same;
        }
    }
    CHECK_INT(wrong, 0);
}

/* ---- What always holds ---- */

static void names(void)
{
    for (conn_event e = 0; e < EVENT_COUNT; e++) CHECK(conn_event_name(e));
    for (conn_aspect aspect = 0; aspect < ASPECT_COUNT; aspect++)
        for (unsigned state = 0; state < conn_aspect_states(aspect); state++) CHECK(conn_aspect_name(aspect, state));
    CHECK_STR(conn_event_name(EVENT_UNWATCH), "UNWATCH");
    CHECK_STR(conn_aspect_name(ASPECT_HOLDER, HOLDER_HUNG_UP), "HUNG_UP");
}

static bool has_way_out(const conn_state *s)
{
    if (is_freed(s)) return true;
    for (conn_event e = 0; e < EVENT_COUNT; e++) {
        if (!can(s, e)) continue;
        conn_state to = moved(s, e);
        if (ends[index_of(&to)]) return true;
    }
    return false;
}

static void all_end(void)
{
    walk();
    for (bool more = true; more;) {
        more = false;
        EACH_REACHED(s)
        {
            if (ends[index_of(&s)] || !has_way_out(&s)) continue;
            ends[index_of(&s)] = more = true;
        }
    }
    EACH_REACHED(s) CHECK(ends[index_of(&s)]);
    EACH_REACHED(s) CHECK(conn_is_closed(&s) || can(&s, EVENT_CLOSE)); /* whatever happens, at once */
}

/* Life goes on in one direction: behind a last reply, a cut or a close nothing is read or begun. */
static void no_way_back(void)
{
    walk();
    EACH_REACHED(s)
    {
        for (conn_event e = 0; e < EVENT_COUNT; e++) {
            if (!can(&s, e)) continue;
            conn_state to = moved(&s, e);
            if (s.life >= LIFE_CLOSING) CHECK(to.life >= s.life);
            if (s.input == INPUT_ENDED) CHECK(to.input == INPUT_ENDED);
            if (conn_is_over(&s)) CHECK(to.output == OUTPUT_EMPTY && to.exchange <= s.exchange + (e == EVENT_BEGIN));
        }
        if (!conn_is_over(&s)) continue;
        CHECK(!conn_may_read(&s) && !conn_may_write(&s) && !conn_may_parse(&s) && !conn_may_hang_up(&s));
        CHECK(!can(&s, EVENT_QUEUE) && !can(&s, EVENT_FULL) && !can(&s, EVENT_SENT) && !can(&s, EVENT_REQUEST));
    }
}

/* A FIN says that all replies are whole. */
static void endings(void)
{
    walk();
    EACH_REACHED(s)
    {
        if (conn_is_closed(&s)) continue;
        bool is_short = s.output != OUTPUT_EMPTY || s.exchange == EXCHANGE_STREAMING || s.life == LIFE_CUT;
        bool is_held = (s.holder == HOLDER_TAKEN || s.holder == HOLDER_KEPT) && s.input == INPUT_OPEN;
        for (int followed = 0; followed < 2; followed++) {
            conn_ending ending = conn_ending_of(&s, followed);
            if (ending == ENDING_FIN) CHECK(!is_short && s.life != LIFE_LEFT);
            if (ending == ENDING_RESET) CHECK(is_short && s.life != LIFE_LEFT);
            if (ending == ENDING_PASSED) CHECK(s.life == LIFE_LEFT || (followed && is_held && s.life != LIFE_CUT));
        }
        if (can(&s, EVENT_LINGER)) CHECK(!is_short && s.exchange == EXCHANGE_NONE); /* FIN as well */
    }
}

/* One request at a time; the next waits until the holder knows nothing of the one before. */
static void requests_wait(void)
{
    walk();
    EACH_REACHED(s)
    {
        CHECK_INT(can(&s, EVENT_REQUEST), conn_may_parse(&s));
        if (!can(&s, EVENT_REQUEST)) continue;
        CHECK(s.life == LIFE_READING && s.exchange == EXCHANGE_NONE && s.holder != HOLDER_KEPT &&
              s.holder != HOLDER_HUNG_UP);
        CHECK(s.output != OUTPUT_SKIPPING || s.holder == HOLDER_TAKEN); /* what is skipped is of this one's reply */
    }
}

/* What another process has sent is taken off the reply that it is of, and of no other. */
static void skipping(void)
{
    walk();
    EACH_REACHED(s)
    {
        if (s.output != OUTPUT_SKIPPING) continue;
        CHECK(!can(&s, EVENT_END) && !can(&s, EVENT_END_LAST) && !can(&s, EVENT_REFUSE) && !can(&s, EVENT_QUEUE));
        CHECK(!conn_may_keep(&s) && !conn_may_move(&s) && !conn_may_leave(&s, PART_BETWEEN));
        CHECK(can(&s, EVENT_CUT));
        if (s.exchange == EXCHANGE_OPEN) CHECK(!can(&s, EVENT_CAUGHT_UP)); /* only a reply that is resumed */
    }
}

/* What is asked before an event agrees with the tables. */
static void questions(void)
{
    walk();
    EACH_REACHED(s)
    {
        CHECK_INT(can(&s, EVENT_END_OF_INPUT), conn_may_read(&s));
        CHECK_INT(can(&s, EVENT_HANG_UP), conn_may_hang_up(&s));
        if (s.output == OUTPUT_EMPTY && s.holder != HOLDER_TAKEN) CHECK_INT(can(&s, EVENT_QUEUE), conn_may_write(&s));
        if (conn_may_keep(&s)) CHECK(can(&s, EVENT_KEEP));
        if (conn_may_release(&s)) CHECK(can(&s, EVENT_RELEASE) && conn_ending_of(&s, false) == ENDING_FIN);
        if (conn_may_move(&s)) CHECK(can(&s, EVENT_LEAVE) && s.exchange == EXCHANGE_OPEN && s.holder == HOLDER_NONE);
        if (conn_has_unsent(&s)) CHECK(s.life <= LIFE_CLOSING);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            if (conn_may_leave(&s, parts[i])) CHECK(can(&s, EVENT_LEAVE) && parts[i] != PART_BODY);
            if (conn_may_leave(&s, parts[i])) CHECK(s.exchange == EXCHANGE_NONE && s.output == OUTPUT_EMPTY);
            if (conn_may_finish(&s, parts[i])) CHECK(can(&s, EVENT_FINISH) && parts[i] == PART_BETWEEN);
        }
    }
}

/* A 408 answers a request that has begun: never one that comes later. */
static void times(void)
{
    walk();
    EACH_REACHED(s)
    {
        if (conn_is_closed(&s)) continue;
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            conn_watch watch = conn_watch_of(&s, parts[i]);
            bool refuses = conn_timeout_event(watch) == EVENT_REFUSE;
            if (refuses) CHECK(parts[i] != PART_BETWEEN && s.life == LIFE_READING && !conn_has_unsent(&s));
            if (refuses && s.holder == HOLDER_NONE) CHECK(can(&s, EVENT_REFUSE));
            if (conn_has_unsent(&s)) CHECK_INT(watch, WATCH_WRITE);
            /* An owner has the time it needs; all else is limited. */
            if (watch == WATCH_NONE) CHECK(s.life == LIFE_ANSWERING || s.life == LIFE_CLOSING || s.life >= LIFE_CUT);
            if (watch == WATCH_NONE && s.life == LIFE_CLOSING) CHECK(can(&s, EVENT_LINGER));
        }
    }
    CHECK_INT(conn_timeout_event(WATCH_IDLE), EVENT_CLOSE);
}

static void impossible_pair(void)
{
    conn_state s = {.life = LIFE_LINGERING};
    conn_post(&s, EVENT_QUEUE);
}

/* A pair without a row ends the process, and says which and why. */
static void impossible_pairs(void)
{
    check_dies(impossible_pair, "impossible transition of a connection: state \"LINGERING, NONE, OPEN, EMPTY, NONE\", "
                                "event \"QUEUE\": FIN is out: nothing follows it\n");
}

static const check_case cases[] = {
    {"allowed_is_reached", allowed_is_reached},
    {"every_pair", every_pair},
    {"the_model_agrees", the_model_agrees},
    {"names", names},
    {"all_end", all_end},
    {"no_way_back", no_way_back},
    {"endings", endings},
    {"requests_wait", requests_wait},
    {"skipping", skipping},
    {"questions", questions},
    {"times", times},
    {"impossible_pairs", impossible_pairs},
};
CHECK_MAIN(cases)
