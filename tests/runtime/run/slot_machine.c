/* The table that decides where a slot stands: each pair of state and event has a row or a reason why it cannot be, and
 * every state can be reached, left, and left for good. */
#include "runtime/run/slot_machine.h"
#include "tests/harness/dies.h"

static void each_pair_has_a_row_or_a_reason(void)
{
    for (slot_state s = SLOT_NEW; s < SLOT_STATES; s++)
        for (slot_event e = 0; e < SLOT_EVENTS; e++) {
            const char *why = slot_impossible(s, e);
            if (why && !*why) printf("# %s, %s\n", slot_state_name(s), slot_event_name(e));
            CHECK(!why || strlen(why) > 10);
        }
}

/* Marks what can be reached from the marked ones; or, backwards, from what a marked one can be reached. */
static void spread(bool marked[SLOT_STATES], bool backwards)
{
    for (bool more = true; more;) {
        more = false;
        for (slot_state s = SLOT_NEW; s < SLOT_STATES; s++)
            for (slot_event e = 0; e < SLOT_EVENTS; e++) {
                if (slot_impossible(s, e)) continue;
                slot_state to = slot_next(s, e), from = backwards ? to : s, mark = backwards ? s : to;
                if (!marked[from] || marked[mark]) continue;
                marked[mark] = more = true;
            }
    }
}

static void every_state_is_reached_and_has_an_end(void)
{
    bool reached[SLOT_STATES] = {[SLOT_NEW] = true}, ends[SLOT_STATES] = {[SLOT_GONE] = true},
         runs[SLOT_STATES] = {[SLOT_RUNNING] = true};
    spread(reached, false);
    spread(ends, true);
    spread(runs, true);
    for (slot_state s = SLOT_NEW; s < SLOT_STATES; s++) {
        if (!reached[s] || !ends[s]) printf("# %s\n", slot_state_name(s));
        CHECK(reached[s] && ends[s]);
        CHECK_INT(runs[s], s != SLOT_GONE); /* no run is out of reach for good */
    }
}

/* Whoever waits for something can be woken for another reason, or is where that is looked at soon. */
static void nobody_waits_beyond_reach(void)
{
    for (slot_state s = SLOT_UNKNOWN; s < SLOT_GONE; s++) CHECK(!slot_impossible(s, SLOT_ON_LOOK));
    for (slot_state s = SLOT_NEW; s < SLOT_STATES; s++) {
        bool again = !slot_impossible(s, SLOT_ON_LOOK) && slot_next(s, SLOT_ON_LOOK) == SLOT_ASKED;
        if (again) CHECK_INT(slot_next(SLOT_ASKED, SLOT_ON_LOOK), SLOT_ASKED); /* a second wish changes nothing */
    }
}

/* A place of --runs-max is given back in every case. */
static void places_come_back(void)
{
    for (slot_event e = 0; e < SLOT_EVENTS; e++) {
        if (slot_impossible(SLOT_LOADING_PLACED, e)) continue;
        slot_state to = slot_next(SLOT_LOADING_PLACED, e);
        CHECK(to == SLOT_LOADING_PLACED || to == SLOT_LOADING || to == SLOT_PARKED || to == SLOT_SUSPECT ||
              to == SLOT_DUE);
    }
}

static void rows_are_counted(void)
{
    uint64_t before = slot_taken(SLOT_NEW, SLOT_ON_BEGUN);
    (void)slot_next(SLOT_NEW, SLOT_ON_BEGUN);
    CHECK_INT(slot_taken(SLOT_NEW, SLOT_ON_BEGUN), before + 1);
}

static void impossible_pair(void) { (void)slot_next(SLOT_RUNNING, SLOT_ON_WAKE); }

static void an_impossible_pair_ends_the_process_with_both_names(void)
{
    check_dies(impossible_pair, "impossible transition of a slot: state \"running\", event \"wake\": its run is in "
                                "memory: it is told itself\n");
}

static const check_case cases[] = {
    {"each pair has a row or a reason", each_pair_has_a_row_or_a_reason},
    {"every state is reached and has a way to an end", every_state_is_reached_and_has_an_end},
    {"nobody waits beyond reach", nobody_waits_beyond_reach},
    {"places come back", places_come_back},
    {"rows are counted", rows_are_counted},
    {"an impossible pair ends the process with both names", an_impossible_pair_ends_the_process_with_both_names},
};
CHECK_MAIN(cases)
