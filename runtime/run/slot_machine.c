#include "runtime/run/slot_machine.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t table[SLOT_STATES][SLOT_EVENTS] = {
    [SLOT_NEW] = {[SLOT_ON_BEGUN] = SLOT_RUNNING,
                  [SLOT_ON_ASKED_FOR] = SLOT_UNKNOWN,
                  [SLOT_ON_PARKED] = SLOT_PARKED,
                  [SLOT_ON_STOPPED] = SLOT_STOPPED,
                  [SLOT_ON_REOPENING] = SLOT_REOPENING},
    [SLOT_RUNNING] = {[SLOT_ON_PARKED] = SLOT_PARKED,
                      [SLOT_ON_STOPPED] = SLOT_STOPPED,
                      [SLOT_ON_PUT_OFF] = SLOT_PARKED,
                      [SLOT_ON_GONE] = SLOT_GONE},
    [SLOT_UNKNOWN] = {[SLOT_ON_LOOK] = SLOT_ASKED, [SLOT_ON_GONE] = SLOT_GONE},
    [SLOT_PARKED] = {[SLOT_ON_WAKE] = SLOT_DUE, [SLOT_ON_LOOK] = SLOT_ASKED},
    [SLOT_STOPPED] = {[SLOT_ON_WAKE] = SLOT_DUE, [SLOT_ON_LOOK] = SLOT_ASKED},
    /* No handler is called to end a run: ending it needs no place, and cannot end the process. */
    [SLOT_DUE] = {[SLOT_ON_WAKE] = SLOT_DUE,
                  [SLOT_ON_LOOK] = SLOT_ASKED,
                  [SLOT_ON_TAKEN] = SLOT_LOADING,
                  [SLOT_ON_TAKEN_PLACED] = SLOT_LOADING_PLACED,
                  [SLOT_ON_GATE_CLOSED] = SLOT_GATED,
                  [SLOT_ON_BEHIND] = SLOT_BEHIND},
    [SLOT_ASKED] = {[SLOT_ON_WAKE] = SLOT_ASKED,
                    [SLOT_ON_LOOK] = SLOT_ASKED,
                    [SLOT_ON_TAKEN] = SLOT_LOADING,
                    [SLOT_ON_TAKEN_PLACED] = SLOT_LOADING_PLACED,
                    [SLOT_ON_GATE_CLOSED] = SLOT_GATED},
    [SLOT_GATED] = {[SLOT_ON_WAKE] = SLOT_GATED, [SLOT_ON_LOOK] = SLOT_GATED, [SLOT_ON_PUT_OFF] = SLOT_PARKED},
    [SLOT_SUSPECT] =
        {[SLOT_ON_WAKE] = SLOT_SUSPECT, [SLOT_ON_LOOK] = SLOT_ASKED, [SLOT_ON_TAKEN_PLACED] = SLOT_LOADING_PLACED},
    [SLOT_BEHIND] = {[SLOT_ON_WAKE] = SLOT_BEHIND, [SLOT_ON_LOOK] = SLOT_ASKED, [SLOT_ON_ADMITTED] = SLOT_DUE},
    /* Whatever comes meanwhile is looked at when it has been read. */
    [SLOT_LOADING] = {[SLOT_ON_PARKED] = SLOT_PARKED,
                      [SLOT_ON_STOPPED] = SLOT_STOPPED,
                      [SLOT_ON_PUT_OFF] = SLOT_PARKED,
                      [SLOT_ON_WAKE] = SLOT_LOADING,
                      [SLOT_ON_LOOK] = SLOT_LOADING,
                      [SLOT_ON_LEFT] = SLOT_ASKED,
                      [SLOT_ON_PLACE_GIVEN] = SLOT_LOADING,
                      [SLOT_ON_NO_PLACE] = SLOT_DUE,
                      [SLOT_ON_GATE_CLOSED] = SLOT_GATED,
                      [SLOT_ON_SUSPECTED] = SLOT_SUSPECT,
                      [SLOT_ON_BEHIND] = SLOT_BEHIND,
                      [SLOT_ON_RESUMED] = SLOT_RUNNING,
                      [SLOT_ON_REOPENING] = SLOT_REOPENING,
                      [SLOT_ON_GONE] = SLOT_GONE},
    [SLOT_LOADING_PLACED] = {[SLOT_ON_PUT_OFF] = SLOT_PARKED,
                             [SLOT_ON_WAKE] = SLOT_LOADING_PLACED,
                             [SLOT_ON_LOOK] = SLOT_LOADING_PLACED,
                             [SLOT_ON_LEFT] = SLOT_DUE,
                             [SLOT_ON_PLACE_GIVEN] = SLOT_LOADING,
                             [SLOT_ON_SUSPECTED] = SLOT_SUSPECT},
    /* Whatever comes meanwhile is looked at when the run is loaded. */
    [SLOT_REOPENING] = {[SLOT_ON_PARKED] = SLOT_PARKED,
                        [SLOT_ON_PUT_OFF] = SLOT_PARKED,
                        [SLOT_ON_WAKE] = SLOT_REOPENING,
                        [SLOT_ON_LOOK] = SLOT_REOPENING,
                        [SLOT_ON_NOT_REOPENED] = SLOT_UNKNOWN},
};

/* ---- Pairs without a row ---- */

#define S(state) (1U << SLOT_##state)
#define E(event) (1U << SLOT_ON_##event)

enum {
    QUEUED = S(DUE) | S(ASKED) | S(GATED) | S(SUSPECT) | S(BEHIND),
    LOADS = S(LOADING) | S(LOADING_PLACED),
    AWAY = S(UNKNOWN) | S(PARKED) | S(STOPPED) | QUEUED,
    ALL_EVENTS = (1U << SLOT_EVENTS) - 1
};
_Static_assert(SLOT_STATES <= 16, "they fit slot.state");
_Static_assert(SLOT_EVENTS < 32, "they fit a mask of 32 bits");
_Static_assert(SLOT_NONE == 0, "a pair that the table leaves out has no row");

static const struct {
    uint32_t states, events;
    const char *why;
} nevers[] = {
    {S(GONE), ALL_EVENTS, "it is freed: nobody has a pointer to it"},
    {S(NEW), ALL_EVENTS & ~(E(BEGUN) | E(ASKED_FOR) | E(PARKED) | E(STOPPED) | E(REOPENING)),
     "whoever makes it says what it is"},
    {~S(NEW), E(BEGUN) | E(ASKED_FOR), "it has been there before"},
    {S(RUNNING), E(WAKE) | E(LOOK), "its run is in memory: it is told itself"},
    {S(RUNNING),
     E(TAKEN) | E(TAKEN_PLACED) | E(LEFT) | E(PLACE_GIVEN) | E(NO_PLACE) | E(GATE_CLOSED) | E(SUSPECTED) | E(BEHIND) |
         E(ADMITTED) | E(RESUMED),
     "its run is in memory: nobody loads it"},
    {~(S(NEW) | S(LOADING) | S(REOPENING)), E(REOPENING), "nobody has read yet that the run has ended"},
    {~S(REOPENING), E(NOT_REOPENED), "it is not being reopened"},
    {S(REOPENING), ~(E(PARKED) | E(PUT_OFF) | E(WAKE) | E(LOOK) | E(NOT_REOPENED)) & ALL_EVENTS,
     "nobody loads it before it is on disk that the run goes on"},
    {S(UNKNOWN), E(WAKE), "nobody knows of anything that could go on"},
    {AWAY & ~S(GATED), E(PUT_OFF), "it is left alone in any case, or waits for something"},
    {AWAY, E(PARKED) | E(STOPPED), "only who has loaded or left it knows its time, or its reason"},
    {S(UNKNOWN) | S(PARKED) | S(STOPPED) | S(GATED) | S(BEHIND), E(TAKEN) | E(TAKEN_PLACED),
     "it has not been queued for loading"},
    {S(SUSPECT), E(TAKEN), "whoever is suspected is loaded with a place of its own"},
    {AWAY, E(LEFT) | E(PLACE_GIVEN) | E(NO_PLACE) | E(SUSPECTED) | E(RESUMED), "it is not being loaded"},
    {S(UNKNOWN) | S(PARKED) | S(STOPPED) | S(GATED) | S(SUSPECT) | S(BEHIND), E(GATE_CLOSED) | E(BEHIND),
     "it is not about to be loaded"},
    {S(ASKED), E(BEHIND), "whoever is to end, or may have, comes before all others"},
    {(AWAY & ~S(BEHIND)) | LOADS, E(ADMITTED), "it does not wait for others"},
    {S(PARKED) | S(STOPPED) | QUEUED, E(GONE), "it is loaded first, to see"},
    {LOADS, E(TAKEN) | E(TAKEN_PLACED), "it is being loaded already"},
    {S(LOADING_PLACED), E(PARKED) | E(STOPPED) | E(NO_PLACE) | E(GATE_CLOSED) | E(BEHIND) | E(RESUMED) | E(GONE),
     "its place is given back before anything is decided"},
};

const char *slot_impossible(slot_state state, slot_event event)
{
    assert(state > SLOT_NONE && state < SLOT_STATES && event < SLOT_EVENTS);
    if (table[state][event] != SLOT_NONE) return NULL;
    for (size_t i = 0; i < sizeof nevers / sizeof nevers[0]; i++)
        if ((nevers[i].states & 1U << state) && (nevers[i].events & 1U << event)) return nevers[i].why;
    return "";
}

/* ---- Transitions ---- */

#ifdef SW_COVERAGE_TABLE
static uint64_t taken[SLOT_STATES][SLOT_EVENTS];

static void slot_count_taken(slot_state state, slot_event event)
{
    (void)__atomic_add_fetch(&taken[state][event], 1, __ATOMIC_RELAXED);
}

uint64_t slot_taken(slot_state state, slot_event event)
{
    return __atomic_load_n(&taken[state][event], __ATOMIC_RELAXED);
}
#else
static void slot_count_taken(slot_state state, slot_event event)
{
    (void)state;
    (void)event;
}

uint64_t slot_taken(slot_state state, slot_event event)
{
    (void)state;
    (void)event;
    return 0;
}
#endif

slot_state slot_next(slot_state state, slot_event event)
{
    assert(state > SLOT_NONE && state < SLOT_STATES && event < SLOT_EVENTS);
    slot_state to = (slot_state)table[state][event];
    if (to == SLOT_NONE) {
        const char *why = slot_impossible(state, event);
        (void)fprintf(stderr, "impossible transition of a slot: state \"%s\", event \"%s\": %s\n",
                      slot_state_name(state), slot_event_name(event), *why ? why : "the table has no row");
        abort();
    }
    slot_count_taken(state, event);
    return to;
}

/* ---- Names ---- */

const char *slot_state_name(slot_state state)
{
    static const char *const names[SLOT_STATES] = {
        [SLOT_NONE] = "none",
        [SLOT_NEW] = "new",
        [SLOT_RUNNING] = "running",
        [SLOT_UNKNOWN] = "unknown",
        [SLOT_PARKED] = "parked",
        [SLOT_STOPPED] = "stopped",
        [SLOT_DUE] = "due",
        [SLOT_ASKED] = "asked",
        [SLOT_GATED] = "gated",
        [SLOT_SUSPECT] = "suspect",
        [SLOT_BEHIND] = "behind",
        [SLOT_LOADING] = "loading",
        [SLOT_LOADING_PLACED] = "loading with a place",
        [SLOT_REOPENING] = "reopening",
        [SLOT_GONE] = "gone",
    };
    assert(state < SLOT_STATES && names[state]);
    return names[state];
}

const char *slot_event_name(slot_event event)
{
    static const char *const names[SLOT_EVENTS] = {
        [SLOT_ON_BEGUN] = "begun",
        [SLOT_ON_ASKED_FOR] = "asked for",
        [SLOT_ON_PARKED] = "parked",
        [SLOT_ON_STOPPED] = "stopped",
        [SLOT_ON_PUT_OFF] = "put off",
        [SLOT_ON_WAKE] = "wake",
        [SLOT_ON_LOOK] = "look",
        [SLOT_ON_TAKEN] = "taken",
        [SLOT_ON_TAKEN_PLACED] = "taken with a place",
        [SLOT_ON_LEFT] = "left",
        [SLOT_ON_PLACE_GIVEN] = "place given",
        [SLOT_ON_NO_PLACE] = "no place",
        [SLOT_ON_GATE_CLOSED] = "gate closed",
        [SLOT_ON_SUSPECTED] = "suspected",
        [SLOT_ON_BEHIND] = "behind",
        [SLOT_ON_ADMITTED] = "admitted",
        [SLOT_ON_RESUMED] = "resumed",
        [SLOT_ON_REOPENING] = "reopening",
        [SLOT_ON_NOT_REOPENED] = "not reopened",
        [SLOT_ON_GONE] = "gone",
    };
    assert(event < SLOT_EVENTS && names[event]);
    return names[event];
}
