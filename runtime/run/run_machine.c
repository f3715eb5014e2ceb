#include "runtime/run/run_machine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define GO(state, act) {.to = RUN_##state, .action = RUN_DO_##act}

typedef struct cell {
    uint8_t to, action;
} cell;
_Static_assert(RUN_STATES <= UINT8_MAX && RUN_ACTIONS <= UINT8_MAX && COMMITS <= UINT8_MAX,
               "a cell has a byte for each");

/* ---- A run's life ---- */

static const cell life_table[RUN_STATES][RUN_EVENTS] = {
    [RUN_NEW] = {[RUN_ON_BEGIN] = GO(RUNNING, NOTHING),
                 [RUN_ON_CANCEL] = GO(ENDING, CANCEL_NOW),
                 [RUN_ON_STOP] = GO(LEAVING_STOPPED, STOP)},
    [RUN_RUNNING] = {[RUN_ON_WAITS] = GO(PARKING, UNWIND),
                     [RUN_ON_DRAIN] = GO(DRAINING, CUT_WAITS),
                     [RUN_ON_HURRY] = GO(DRAINING, UNWIND),
                     [RUN_ON_CANCEL] = GO(CANCELLING, CANCEL),
                     [RUN_ON_STOP] = GO(STOPPING, STOP),
                     [RUN_ON_LOSS] = GO(LOSING, UNWIND),
                     [RUN_ON_RETURNED] = GO(ENDING, END),
                     [RUN_ON_EXHAUSTED] = GO(LEAVING_STOPPED, STOP_FAILED)},
    [RUN_PARKING] = {[RUN_ON_DRAIN] = GO(PARKING, NOTHING),
                     [RUN_ON_HURRY] = GO(PARKING, NOTHING),
                     [RUN_ON_CANCEL] = GO(CANCELLING, CANCEL),
                     [RUN_ON_STOP] = GO(STOPPING, STOP),
                     [RUN_ON_LOSS] = GO(LOSING, UNWIND),
                     [RUN_ON_RETURNED] = GO(ENDING, END),
                     [RUN_ON_EXHAUSTED] = GO(LEAVING_STOPPED, STOP_FAILED),
                     [RUN_ON_UNWOUND] = GO(LEAVING, NOTHING)},
    [RUN_DRAINING] = {[RUN_ON_DRAIN] = GO(DRAINING, NOTHING),
                      [RUN_ON_HURRY] = GO(DRAINING, UNWIND),
                      [RUN_ON_CANCEL] = GO(CANCELLING, CANCEL),
                      [RUN_ON_STOP] = GO(STOPPING, STOP),
                      [RUN_ON_LOSS] = GO(LOSING, UNWIND),
                      [RUN_ON_RETURNED] = GO(ENDING, END),
                      [RUN_ON_EXHAUSTED] = GO(LEAVING_STOPPED, STOP_FAILED),
                      [RUN_ON_UNWOUND] = GO(LEAVING, NOTHING)},
    [RUN_STOPPING] = {[RUN_ON_DRAIN] = GO(STOPPING, NOTHING),
                      [RUN_ON_HURRY] = GO(STOPPING, UNWIND),
                      [RUN_ON_CANCEL] = GO(CANCELLING, CANCEL),
                      [RUN_ON_STOP] = GO(STOPPING, NOTHING),
                      [RUN_ON_LOSS] = GO(LOSING, UNWIND),
                      [RUN_ON_RETURNED] = GO(ENDING, END),
                      [RUN_ON_EXHAUSTED] = GO(LEAVING_STOPPED, NOTHING),
                      [RUN_ON_UNWOUND] = GO(LEAVING_STOPPED, NOTHING)},
    [RUN_CANCELLING] = {[RUN_ON_DRAIN] = GO(CANCELLING, NOTHING),
                        [RUN_ON_HURRY] = GO(CANCELLING, NOTHING),
                        [RUN_ON_CANCEL] = GO(CANCELLING, NOTHING),
                        [RUN_ON_STOP] = GO(CANCELLING, NOTHING),
                        [RUN_ON_LOSS] = GO(LOSING, UNWIND),
                        [RUN_ON_RETURNED] = GO(ENDING, END),
                        [RUN_ON_EXHAUSTED] = GO(ENDING, END),
                        [RUN_ON_UNWOUND] = GO(ENDING, END_CANCELLED)},
    [RUN_LOSING] = {[RUN_ON_DRAIN] = GO(LOSING, NOTHING),
                    [RUN_ON_HURRY] = GO(LOSING, NOTHING),
                    [RUN_ON_CANCEL] = GO(LOSING, SAVE_CANCEL),
                    [RUN_ON_STOP] = GO(LOSING, NOTHING),
                    [RUN_ON_LOSS] = GO(LOSING, NOTHING),
                    [RUN_ON_RETURNED] = GO(LEAVING_LOST, NOTHING),
                    [RUN_ON_EXHAUSTED] = GO(LEAVING_LOST, NOTHING),
                    [RUN_ON_UNWOUND] = GO(LEAVING_LOST, NOTHING)},
    [RUN_ENDING] = {[RUN_ON_DRAIN] = GO(ENDING, NOTHING),
                    [RUN_ON_HURRY] = GO(ENDING, NOTHING),
                    [RUN_ON_CANCEL] = GO(ENDING, SAVE_CANCEL),
                    [RUN_ON_STOP] = GO(ENDING, NOTHING),
                    [RUN_ON_LOSS] = GO(LEAVING_LOST, NOTHING),
                    [RUN_ON_SETTLED] = GO(ENDED, ANSWER),
                    [RUN_ON_SETTLED_LAST] = GO(ENDED, ANSWER)},
    [RUN_LEAVING] = {[RUN_ON_DRAIN] = GO(LEAVING, NOTHING),
                     [RUN_ON_HURRY] = GO(LEAVING, UNWIND),
                     [RUN_ON_CANCEL] = GO(ENDING, CANCEL_NOW),
                     [RUN_ON_STOP] = GO(LEAVING_STOPPED, STOP),
                     [RUN_ON_LOSS] = GO(LEAVING_LOST, UNWIND),
                     [RUN_ON_SETTLED] = GO(PARKED, PARK),
                     [RUN_ON_SETTLED_LAST] = GO(LEFT, LEAVE)},
    [RUN_LEAVING_STOPPED] = {[RUN_ON_DRAIN] = GO(LEAVING_STOPPED, NOTHING),
                             [RUN_ON_HURRY] = GO(LEAVING_STOPPED, UNWIND),
                             [RUN_ON_CANCEL] = GO(ENDING, CANCEL_NOW),
                             [RUN_ON_STOP] = GO(LEAVING_STOPPED, NOTHING),
                             [RUN_ON_LOSS] = GO(LEAVING_LOST, UNWIND),
                             [RUN_ON_SETTLED] = GO(STOPPED, STAND),
                             [RUN_ON_SETTLED_LAST] = GO(LEFT, LEAVE)},
    [RUN_LEAVING_LOST] = {[RUN_ON_DRAIN] = GO(LEAVING_LOST, NOTHING),
                          [RUN_ON_HURRY] = GO(LEAVING_LOST, NOTHING),
                          [RUN_ON_CANCEL] = GO(LEAVING_LOST, SAVE_CANCEL),
                          [RUN_ON_STOP] = GO(LEAVING_LOST, NOTHING),
                          [RUN_ON_LOSS] = GO(LEAVING_LOST, NOTHING),
                          [RUN_ON_SETTLED] = GO(PARKED, RELOAD),
                          [RUN_ON_SETTLED_LAST] = GO(LEFT, LEAVE),
                          [RUN_ON_NOTHING] = GO(REFUSED, REFUSE),
                          [RUN_ON_UNKNOWN] = GO(CUT, CUT)},
};

/* ---- Pairs without a row ---- */

typedef struct impossible_pairs {
    uint32_t states, events; /* masks: bit 1 << state, 1 << event */
    const char *why;
} impossible_pairs;

#define S(state) (1U << RUN_##state)
#define E(event) (1U << RUN_ON_##event)

enum {
    FINAL = S(ENDED) | S(PARKED) | S(STOPPED) | S(LEFT) | S(REFUSED) | S(CUT),
    WITH_HANDLER = S(RUNNING) | S(PARKING) | S(DRAINING) | S(STOPPING) | S(CANCELLING) | S(LOSING),
    ON_ITS_WAY = S(ENDING) | S(LEAVING) | S(LEAVING_STOPPED) | S(LEAVING_LOST),
    UNWINDS = S(PARKING) | S(DRAINING) | S(STOPPING) | S(CANCELLING) | S(LOSING),
    BEGUN = WITH_HANDLER | ON_ITS_WAY,
    SETTLES = E(SETTLED) | E(SETTLED_LAST) | E(NOTHING) | E(UNKNOWN),
    ALL_EVENTS = (1U << RUN_EVENTS) - 1
};
_Static_assert(RUN_STATES <= 32 && RUN_EVENTS <= 32, "states and events fit a mask");
_Static_assert((S(NEW) | BEGUN | FINAL) == (1U << RUN_STATES) - 2, "each state but RUN_NONE is in one of the sets");
_Static_assert((WITH_HANDLER & ON_ITS_WAY) == 0 && (BEGUN & FINAL) == 0, "and in no other");
_Static_assert((UNWINDS & ~WITH_HANDLER) == 0, "only a handler unwinds");
_Static_assert(FINAL == (((1U << RUN_STATES) - 1) & ~((1U << RUN_ENDED) - 1)), "final states are last: see run_touch");

static const impossible_pairs impossible[] = {
    {FINAL, ALL_EVENTS, "the run is no longer in memory: nobody has a pointer to it"},
    {S(NEW), ALL_EVENTS & ~(E(BEGIN) | E(CANCEL) | E(STOP)),
     "a new run begins, or is given up, before anybody can know its id"},
    {BEGUN, E(BEGIN), "a handler begins once in each execution"},
    {BEGUN & ~S(RUNNING), E(WAITS), "the run leaves already: only a running run is looked at for parking"},
    {S(RUNNING), E(UNWOUND), "nobody has asked the handler to unwind"},
    {ON_ITS_WAY, E(RETURNED) | E(EXHAUSTED) | E(UNWOUND), "the handler has ended already"},
    {WITH_HANDLER, SETTLES, "the handler still has a coroutine"},
    {ON_ITS_WAY & ~S(LEAVING_LOST), E(NOTHING) | E(UNKNOWN),
     "no entry of the run is lost, so its first commit is on disk"},
};

static __attribute__((noreturn)) void machine_abort(const char *machine, const char *state, const char *event,
                                                    const char *why)
{
    (void)fprintf(stderr, "impossible transition of a %s: state \"%s\", event \"%s\": %s\n", machine, state, event,
                  why && *why ? why : "the table has no row");
    abort();
}

const char *run_impossible(run_state state, run_event event)
{
    assert(state > RUN_NONE && state < RUN_STATES && event < RUN_EVENTS);
    if (life_table[state][event].to != RUN_NONE) return NULL;
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++)
        if ((impossible[i].states & 1U << state) && (impossible[i].events & 1U << event)) return impossible[i].why;
    return "";
}

/* ---- Counting ---- */

#ifdef SW_COVERAGE_TABLE
static uint64_t life_taken[RUN_STATES][RUN_EVENTS], commits_taken[COMMITS][COMMIT_EVENTS];
static void row_count_up(uint64_t *n) { (void)__atomic_add_fetch(n, 1, __ATOMIC_RELAXED); }
static uint64_t row_count(const uint64_t *n) { return __atomic_load_n(n, __ATOMIC_RELAXED); }
#define COUNT(table, state, event)    row_count_up(&table[state][event])
#define COUNT_OF(table, state, event) row_count(&table[state][event])
#else
#define COUNT(table, state, event)    ((void)0)
#define COUNT_OF(table, state, event) ((void)(state), (void)(event), (uint64_t)0)
#endif

uint64_t run_taken(run_state state, run_event event) { return COUNT_OF(life_taken, state, event); }

uint64_t run_commit_taken(run_commit c, run_commit_event event) { return COUNT_OF(commits_taken, c, event); }

/* ---- Transitions ---- */

run_transition run_next(run_state state, run_event event)
{
    assert(state > RUN_NONE && state < RUN_STATES && event < RUN_EVENTS);
    cell c = life_table[state][event];
    if (c.to == RUN_NONE)
        machine_abort("run", run_state_name(state), run_event_name(event), run_impossible(state, event));
    COUNT(life_taken, state, event);
    return (run_transition){.to = (run_state)c.to, .action = (run_action)c.action};
}

bool run_state_is_final(run_state state) { return (FINAL & 1U << state) != 0; }
bool run_state_has_handler(run_state state) { return (WITH_HANDLER & 1U << state) != 0; }
bool run_state_unwinds(run_state state) { return (UNWINDS & 1U << state) != 0; }

/* ---- Commits ---- */

static const uint8_t commit_table[COMMITS][COMMIT_EVENTS] = {
    [COMMIT_NONE] = {[COMMIT_ON_LOADED] = COMMIT_DURABLE, [COMMIT_ON_SENT] = COMMIT_FIRST},
    [COMMIT_FIRST] =
        {[COMMIT_ON_DONE] = COMMIT_DURABLE, [COMMIT_ON_REFUSED] = COMMIT_REFUSED, [COMMIT_ON_UNKNOWN] = COMMIT_UNKNOWN},
    [COMMIT_DURABLE] = {[COMMIT_ON_SENT] = COMMIT_MORE},
    [COMMIT_MORE] =
        {[COMMIT_ON_DONE] = COMMIT_DURABLE, [COMMIT_ON_REFUSED] = COMMIT_BROKEN, [COMMIT_ON_UNKNOWN] = COMMIT_BROKEN},
};

const char *run_commit_impossible(run_commit c, run_commit_event event)
{
    assert(c > COMMIT_EMPTY && c < COMMITS && event < COMMIT_EVENTS);
    if (commit_table[c][event] != COMMIT_EMPTY) return NULL;
    if (event == COMMIT_ON_LOADED) return "a run is loaded before it appends anything";
    if (event != COMMIT_ON_SENT) return "no segment of the run is with the store";
    return run_commit_is_under_way(c) ? "one segment of the run is with the store already"
                                      : "after an entry that is not on disk none may follow";
}

run_commit run_commit_next(run_commit c, run_commit_event event)
{
    assert(c > COMMIT_EMPTY && c < COMMITS && event < COMMIT_EVENTS);
    run_commit to = (run_commit)commit_table[c][event];
    if (to == COMMIT_EMPTY)
        machine_abort("commit", run_commit_name(c), run_commit_event_name(event), run_commit_impossible(c, event));
    COUNT(commits_taken, c, event);
    return to;
}

run_event run_settled_event(run_commit c, bool is_draining)
{
    assert(c > COMMIT_EMPTY && c < COMMITS && !run_commit_is_under_way(c));
    if (c == COMMIT_NONE || c == COMMIT_REFUSED) return RUN_ON_NOTHING;
    if (c == COMMIT_UNKNOWN) return RUN_ON_UNKNOWN;
    return is_draining ? RUN_ON_SETTLED_LAST : RUN_ON_SETTLED;
}

/* ---- Names ---- */

const char *run_state_name(run_state state)
{
    assert(state < RUN_STATES);
    static const char *const names[RUN_STATES] = {
        [RUN_NONE] = "none",
        [RUN_NEW] = "new",
        [RUN_RUNNING] = "running",
        [RUN_PARKING] = "parking",
        [RUN_DRAINING] = "draining",
        [RUN_STOPPING] = "stopping",
        [RUN_CANCELLING] = "cancelling",
        [RUN_LOSING] = "losing",
        [RUN_ENDING] = "ending",
        [RUN_LEAVING] = "leaving",
        [RUN_LEAVING_STOPPED] = "leaving stopped",
        [RUN_LEAVING_LOST] = "leaving lost",
        [RUN_ENDED] = "ended",
        [RUN_PARKED] = "parked",
        [RUN_STOPPED] = "stopped",
        [RUN_LEFT] = "left",
        [RUN_REFUSED] = "refused",
        [RUN_CUT] = "cut",
    };
    return names[state];
}

const char *run_event_name(run_event event)
{
    assert(event < RUN_EVENTS);
    static const char *const names[RUN_EVENTS] = {
        [RUN_ON_BEGIN] = "begin",
        [RUN_ON_WAITS] = "waits",
        [RUN_ON_DRAIN] = "drain",
        [RUN_ON_HURRY] = "hurry",
        [RUN_ON_CANCEL] = "cancel",
        [RUN_ON_STOP] = "stop",
        [RUN_ON_LOSS] = "loss",
        [RUN_ON_RETURNED] = "returned",
        [RUN_ON_EXHAUSTED] = "exhausted",
        [RUN_ON_UNWOUND] = "unwound",
        [RUN_ON_SETTLED] = "settled",
        [RUN_ON_SETTLED_LAST] = "settled last",
        [RUN_ON_NOTHING] = "nothing on disk",
        [RUN_ON_UNKNOWN] = "unknown on disk",
    };
    return names[event];
}

const char *run_action_name(run_action action)
{
    assert(action < RUN_ACTIONS);
    static const char *const names[RUN_ACTIONS] = {
        [RUN_DO_NOTHING] = "nothing",
        [RUN_DO_CUT_WAITS] = "cut waits",
        [RUN_DO_UNWIND] = "unwind",
        [RUN_DO_CANCEL] = "cancel",
        [RUN_DO_SAVE_CANCEL] = "save cancel",
        [RUN_DO_CANCEL_NOW] = "cancel now",
        [RUN_DO_END_CANCELLED] = "end cancelled",
        [RUN_DO_STOP] = "stop",
        [RUN_DO_STOP_FAILED] = "stop failed",
        [RUN_DO_END] = "end",
        [RUN_DO_ANSWER] = "answer",
        [RUN_DO_PARK] = "park",
        [RUN_DO_STAND] = "stand",
        [RUN_DO_RELOAD] = "reload",
        [RUN_DO_LEAVE] = "leave",
        [RUN_DO_REFUSE] = "refuse",
        [RUN_DO_CUT] = "cut",
    };
    return names[action];
}

const char *run_commit_name(run_commit c)
{
    assert(c < COMMITS);
    static const char *const names[COMMITS] = {
        [COMMIT_EMPTY] = "empty",     [COMMIT_NONE] = "none",     [COMMIT_FIRST] = "first",
        [COMMIT_DURABLE] = "durable", [COMMIT_MORE] = "more",     [COMMIT_REFUSED] = "refused",
        [COMMIT_UNKNOWN] = "unknown", [COMMIT_BROKEN] = "broken",
    };
    return names[c];
}

const char *run_commit_event_name(run_commit_event event)
{
    assert(event < COMMIT_EVENTS);
    static const char *const names[COMMIT_EVENTS] = {
        [COMMIT_ON_LOADED] = "loaded",   [COMMIT_ON_SENT] = "sent",       [COMMIT_ON_DONE] = "done",
        [COMMIT_ON_REFUSED] = "refused", [COMMIT_ON_UNKNOWN] = "unknown",
    };
    return names[event];
}
