/* The tables that decide what a run does next: each pair of state and event has a row or a reason why it cannot be,
 * every state can be reached and left for an end, and on no way through both tables together, with a process that
 * drains, commits that fail and people who cancel and stop at any moment, a promise to a client is broken. */
#include "runtime/run/run_machine.h"
#include "tests/harness/dies.h"

static bool starts(run_state s) { return s == RUN_NEW; }

/* ---- The table itself ---- */

static void each_pair_has_a_row_or_a_reason(void)
{
    for (run_state s = RUN_NEW; s < RUN_STATES; s++)
        for (run_event e = 0; e < RUN_EVENTS; e++) {
            const char *why = run_impossible(s, e);
            if (why && !*why) printf("# %s, %s\n", run_state_name(s), run_event_name(e));
            CHECK(!why || strlen(why) > 10);
        }
    for (run_commit c = COMMIT_NONE; c < COMMITS; c++)
        for (run_commit_event e = 0; e < COMMIT_EVENTS; e++) {
            const char *why = run_commit_impossible(c, e);
            CHECK(!why || strlen(why) > 10);
        }
}

static void final_states_have_no_way_out(void)
{
    unsigned finals = 0;
    for (run_state s = RUN_NEW; s < RUN_STATES; s++) {
        unsigned ways = 0;
        for (run_event e = 0; e < RUN_EVENTS; e++) ways += !run_impossible(s, e);
        CHECK_INT(ways == 0, run_state_is_final(s));
        CHECK(!(run_state_is_final(s) && (run_state_has_handler(s) || run_state_unwinds(s))));
        CHECK(!run_state_unwinds(s) || run_state_has_handler(s));
        finals += run_state_is_final(s);
    }
    CHECK_INT(finals, 6);
}

/* Marks what can be reached from the marked ones; or, backwards, from what a marked one can be reached. */
static void spread(bool marked[RUN_STATES], bool backwards)
{
    for (bool more = true; more;) {
        more = false;
        for (run_state s = RUN_NEW; s < RUN_STATES; s++)
            for (run_event e = 0; e < RUN_EVENTS; e++) {
                if (run_impossible(s, e)) continue;
                run_state to = run_next(s, e).to, from = backwards ? to : s, mark = backwards ? s : to;
                if (!marked[from] || marked[mark]) continue;
                marked[mark] = more = true;
            }
    }
}

static void every_state_is_reached_and_has_an_end(void)
{
    bool reached[RUN_STATES] = {false}, ends[RUN_STATES] = {false};
    for (run_state s = RUN_NEW; s < RUN_STATES; s++) {
        reached[s] = starts(s);
        ends[s] = run_state_is_final(s);
    }
    spread(reached, false);
    spread(ends, true);
    for (run_state s = RUN_NEW; s < RUN_STATES; s++) {
        if (!reached[s] || !ends[s]) printf("# %s\n", run_state_name(s));
        CHECK(reached[s] && ends[s]);
    }
}

static void all_have_names(void)
{
    for (run_state s = RUN_NONE; s < RUN_STATES; s++) CHECK(run_state_name(s) && *run_state_name(s));
    for (run_event e = 0; e < RUN_EVENTS; e++) CHECK(run_event_name(e) && *run_event_name(e));
    for (run_action a = 0; a < RUN_ACTIONS; a++) CHECK(run_action_name(a) && *run_action_name(a));
    for (run_commit c = COMMIT_EMPTY; c < COMMITS; c++) CHECK(run_commit_name(c) && *run_commit_name(c));
    for (run_commit_event e = 0; e < COMMIT_EVENTS; e++) CHECK(run_commit_event_name(e));
}

static void impossible_pair(void) { (void)run_next(RUN_ENDING, RUN_ON_RETURNED); }
static void impossible_commit(void) { (void)run_commit_next(COMMIT_BROKEN, COMMIT_ON_SENT); }

static void an_impossible_pair_ends_the_process_with_both_names(void)
{
    check_dies(impossible_pair,
               "impossible transition of a run: state \"ending\", event \"returned\": the handler has ended already\n");
    check_dies(impossible_commit, "impossible transition of a commit: state \"broken\", event \"sent\": after an entry "
                                  "that is not on disk none may follow\n");
}

/* ---- All ways through both tables ---- */

/* A run, and what has happened to it. As little as decides what may happen next. */
typedef struct world {
    run_state life;
    run_commit commit;
    bool at_work;   /* strands beside the handler's that may append */
    bool open;      /* entries that are not with the store */
    bool draining;  /* the process is to end */
    bool lost;      /* an entry */
    bool cancelled; /* in time */
    bool noted;     /* the slot knows of the cancel */
    bool stopped;   /* in time, and journaled */
    bool responded; /* its response is journaled, or under way */
} world;

enum { WORLDS = 1 << 16 };
static bool seen[WORLDS];
static world todo[WORLDS];
static size_t todo_count, world_count;

static unsigned number_of(const world *w)
{
    unsigned n = (unsigned)w->life << 3 | (unsigned)w->commit;
    const bool bits[] = {w->at_work, w->open, w->draining, w->lost, w->cancelled, w->noted, w->stopped, w->responded};
    for (size_t i = 0; i < sizeof bits; i++) n = n << 1 | bits[i];
    return n;
}

static void visit(world w)
{
    unsigned n = number_of(&w);
    CHECK(n < WORLDS);
    if (seen[n]) return;
    seen[n] = true;
    world_count++;
    todo[todo_count++] = w;
}

static void append(world *w)
{
    CHECK(!w->lost); /* after an entry that is not on disk none may follow */
    w->open = true;
}

/* What run.c does, as far as it shows. */
static void act(world *w, run_event event, run_action action)
{
    switch (action) {
    case RUN_DO_UNWIND:
        w->at_work = false;
        break;
    case RUN_DO_CANCEL:
        append(w);
        w->noted = true;
        w->at_work = false;
        break;
    case RUN_DO_SAVE_CANCEL:
        w->noted = true;
        break;
    case RUN_DO_STOP:
    case RUN_DO_STOP_FAILED:
        append(w);
        w->stopped = true;
        break;
    case RUN_DO_CANCEL_NOW:
        CHECK(w->cancelled);
        append(w);
        w->noted = w->responded = true;
        w->at_work = false;
        break;
    case RUN_DO_END_CANCELLED:
    case RUN_DO_END:
        CHECK(w->cancelled || (action == RUN_DO_END && event == RUN_ON_RETURNED));
        append(w);
        w->responded = true;
        break;
    case RUN_DO_ANSWER: /* nobody is answered before the answer is on disk */
        CHECK(w->commit == COMMIT_DURABLE && !w->open && w->responded && !w->lost);
        break;
    case RUN_DO_PARK:
        CHECK(w->commit == COMMIT_DURABLE && !w->open && !w->responded && !w->stopped && !w->draining);
        break;
    case RUN_DO_STAND:
        CHECK(w->commit == COMMIT_DURABLE && !w->open && !w->responded && w->stopped && !w->draining);
        break;
    case RUN_DO_RELOAD:
        CHECK(run_commit_is_durable(w->commit) && w->lost && !w->draining);
        break;
    case RUN_DO_LEAVE: /* whoever is sent on finds it */
        CHECK(run_commit_is_durable(w->commit) && w->draining && (w->lost || (!w->open && !w->responded)));
        break;
    case RUN_DO_REFUSE: /* "was not done" is said of what is not on disk, nor will be */
        CHECK(w->commit == COMMIT_NONE || w->commit == COMMIT_REFUSED);
        break;
    case RUN_DO_CUT:
        CHECK(w->commit == COMMIT_UNKNOWN);
        break;
    default:
        break;
    }
}

/* A cancel that came in time ends the run here, or whoever loads it next. */
static void check_final(const world *w)
{
    if (w->cancelled && !w->lost) CHECK_INT(w->life, RUN_ENDED);
    if (w->cancelled && w->life == RUN_PARKED) CHECK(w->noted);
    if (w->stopped && !w->lost) CHECK(w->life == RUN_STOPPED || w->life == RUN_LEFT || w->life == RUN_ENDED);
    if (w->life == RUN_ENDED) CHECK(w->commit == COMMIT_DURABLE);
}

static void post(world w, run_event event)
{
    if (event == RUN_ON_CANCEL) w.cancelled = true;
    if (event == RUN_ON_LOSS) w.lost = true;
    run_transition t = run_next(w.life, event);
    w.life = t.to;
    act(&w, event, t.action);
    if (event == RUN_ON_HURRY) CHECK(!w.at_work);
    if (run_state_is_final(w.life))
        check_final(&w);
    else
        visit(w);
}

static void commit(world w, run_commit_event event)
{
    w.commit = run_commit_next(w.commit, event);
    if (event == COMMIT_ON_DONE || event == COMMIT_ON_SENT) {
        if (event == COMMIT_ON_SENT) w.open = false;
        visit(w);
        return;
    }
    w.open = false; /* what comes after it is dropped */
    post(w, RUN_ON_LOSS);
}

/* All that may happen next. */
static void go_on(world w)
{
    bool has_handler = run_state_has_handler(w.life);
    if (!run_commit_is_under_way(w.commit) && w.open) {
        CHECK(w.commit < COMMIT_REFUSED);
        commit(w, COMMIT_ON_SENT);
    }
    if (run_commit_is_under_way(w.commit)) {
        commit(w, COMMIT_ON_DONE);
        commit(w, COMMIT_ON_REFUSED);
        if (w.draining) commit(w, COMMIT_ON_UNKNOWN);
    }
    post(w, RUN_ON_CANCEL);
    post(w, RUN_ON_STOP);
    post(w, RUN_ON_LOSS);
    world drains = w;
    drains.draining = true;
    post(drains, RUN_ON_DRAIN);
    post(drains, RUN_ON_HURRY);
    if (w.at_work) { /* what is at work appends what it brings: nothing of it may follow the end, or a loss */
        CHECK(!w.lost && !w.responded);
        world done = w;
        append(&done);
        visit(done);
        done.at_work = false;
        visit(done);
    }
    if (has_handler && !w.lost) {
        world more = w;
        append(&more);
        visit(more);
        more.at_work |= w.life == RUN_RUNNING;
        visit(more);
    }
    if (has_handler && !w.at_work) { /* it waits for its groups */
        post(w, RUN_ON_RETURNED);
        post(w, RUN_ON_EXHAUSTED);
    }
    if (run_state_unwinds(w.life)) post(w, RUN_ON_UNWOUND);
    if (w.life == RUN_RUNNING && w.commit == COMMIT_DURABLE && !w.at_work && !w.open && !w.draining)
        post(w, RUN_ON_WAITS);
    if (!has_handler && !w.at_work && !w.open && !run_commit_is_under_way(w.commit))
        post(w, run_settled_event(w.commit, w.draining));
}

static void walk(world from, run_event first)
{
    post(from, first);
    while (todo_count > 0) go_on(todo[--todo_count]);
}

static void no_way_breaks_a_promise(void)
{
    /* A request's, with its entry *started*; one that is loaded; and one that is loaded to be ended, or stopped. */
    const world fresh = {.life = RUN_NEW, .commit = COMMIT_NONE, .open = true};
    const world loaded = {.life = RUN_NEW, .commit = run_commit_next(COMMIT_NONE, COMMIT_ON_LOADED)};
    walk(fresh, RUN_ON_BEGIN);
    walk(loaded, RUN_ON_BEGIN);
    walk(loaded, RUN_ON_CANCEL);
    walk(loaded, RUN_ON_STOP);
    CHECK(world_count > 200);
    printf("# %zu situations\n", world_count);
}

/* Every row is one that some way takes: a row that none takes says something that nobody can see. */
static void every_row_is_taken(void)
{
    for (run_state s = RUN_NEW; s < RUN_ENDED; s++)
        for (run_event e = 0; e < RUN_EVENTS; e++) {
            if (run_impossible(s, e)) continue;
            if (run_taken(s, e) == 0) printf("# %s, %s\n", run_state_name(s), run_event_name(e));
            CHECK(run_taken(s, e) > 0);
        }
    for (run_commit c = COMMIT_NONE; c < COMMITS; c++)
        for (run_commit_event e = 0; e < COMMIT_EVENTS; e++)
            CHECK(run_commit_impossible(c, e) || run_commit_taken(c, e) > 0);
}

static const check_case cases[] = {
    {"all ways through both tables keep what clients were promised", no_way_breaks_a_promise},
    {"every row is taken on one of them, and counted", every_row_is_taken},
    {"each pair has a row or a reason", each_pair_has_a_row_or_a_reason},
    {"final states have no way out", final_states_have_no_way_out},
    {"every state is reached and has a way to an end", every_state_is_reached_and_has_an_end},
    {"states, events and actions have names", all_have_names},
    {"an impossible pair ends the process with both names", an_impossible_pair_ends_the_process_with_both_names},
};
CHECK_MAIN(cases)
