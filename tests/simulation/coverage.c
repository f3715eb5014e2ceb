#include "tests/simulation/coverage.h"

#include <stdio.h>
#include <string.h>

#include "tests/simulation/world.h"

static const char *const meetings[MEETINGS] = {
    [MET_SOLO] = "solos",
    [MET_SOLO_ALONE] = "solos with nothing in memory",
    [MET_SOLO_LATE] = "solos beside others that had not got on",
    [MET_SOLO_OVER] = "solos over by time",
    [MET_WAVE] = "waves",
    [MET_WAVE_EMPTY] = "waves that nobody waited for",
    [MET_CANCEL_BEHIND] = "cancels of runs that waited for others",
    [MET_EXHAUSTED] = "stops for steps that had used their retries",
    [MET_CLIENT_RELEASE] = "releases by clients",
    [MET_MENDED] = "such runs that have succeeded",
    [MET_STOP_ASKED] = "stops by the operator",
    [MET_STOP_AWAY] = "stops of runs that were not in memory",
    [MET_STOP_REFUSED] = "stops that the operator was refused",
    [MET_WHY_LOOKED] = "looks at why a live run is not finished",
    [MET_WHY] = "runs that moved when their page had said so",
    [MET_REOPENED] = "runs that go on after their end",
    [MET_RESUMED] = "such runs that have succeeded",
    [MET_FORKED] = "forks",
    [MET_FORK_LIVE] = "forks of runs that had not ended",
    [MET_FORK_UNTOLD] = "forks of which nobody was told",
    [MET_FORK_AGAIN] = "forks of requests that were sent again",
    [MET_FORK_DONE] = "forks that have succeeded",
    [MET_FORK_SAME] = "forks with the answer of their original",
    [MET_FORK_CALLS] = "results of calls that forks have copied",
    [MET_FORK_CALLED] = "calls that forks have made as their original had",
    [MET_FORK_WAITS] = "waits of which forks have copied what they came to",
    [MET_FORK_WON] = "decisions of groups that forks have copied",
    [MET_FORK_RACED] = "forks from what had lost",
    [MET_REOPENED_WON] = "decisions in runs that go on after their end",
    [MET_REOPENED_WAIT] = "open waits in such runs",
    [MET_FORK_NAMED] = "pages of runs that name their forks",
    [MET_BULK] = "bulk actions that have come to their end",
    [MET_BULK_CUT] = "bulk actions that went on in another process",
    [MET_BULK_LETTER] = "letters of bulk actions",
    [MET_BULK_VAIN] = "such letters that led to nothing",
    [MET_BULK_COUNTED] = "dry runs held against the ledger",
    [MET_SHUT] = "stops of endpoints",
    [MET_SHUT_REFUSED] = "requests that these have refused",
    [MET_PATCH_OLD] = "answers of sw_patch for the old way",
    [MET_PATCH_NEW] = "for the new way, in runs that had been loaded",
    [MET_SIGNAL] = "signals that runs have had",
    [MET_SIGNAL_EARLY] = "waits for signals that were there already",
    [MET_SIGNAL_AGAIN] = "signals that were sent more than once",
    [MET_SIGNAL_LATE] = "signals to runs that had ended",
    [MET_TIMED_OUT] = "waits that have timed out",
    [MET_SENT] = "signals of runs to runs",
    [MET_SENT_VAIN] = "such signals that no run was there for",
    [MET_SENT_AGAIN] = "such signals that a later execution has come to",
    [MET_SENT_HAD] = "such signals that runs have had",
    [MET_ASKED] = "questions",
    [MET_ANSWERED] = "answers to these",
    [MET_ANSWERED_TWICE] = "answers when another had come before",
    [MET_CHOSEN] = "answers that are one of the choices",
    [MET_CHOSEN_NONE] = "answers that are none of these",
    [MET_FORM] = "answers by the form of a page",
    [MET_FORM_FOREIGN] = "forms that no page of the question has made",
    [MET_ANSWERED_LATE] = "answers that came too late",
    [MET_CALLED] = "calls of functions",
    [MET_CALLED_DEEP] = "by runs that were called",
    [MET_CALLED_ALONE] = "for which nobody waits",
    [MET_CALLED_AGAIN] = "by runs that go on after their end",
    [MET_RETURNED] = "calls with a result",
    [MET_RETURNED_BAD] = "which is a failure",
    [MET_RETURNED_LATER] = "that a former process had not",
    [MET_WOKEN] = "runs woken for all that they waited for",
    [MET_RECALLED] = "runs cancelled for the end of their caller",
    [MET_WANTED] = "runs that are to go on, since their caller does",
    [MET_CHILD_LATE] = "runs that were called, and over their deadline",
    [MET_WON] = "groups that their first success has decided",
    [MET_WON_BRANCH] = "by a branch",
    [MET_WON_WAIT] = "by a signal",
    [MET_WON_SLEEP] = "by a sleep",
    [MET_WON_WITHIN] = "within a branch of another such group",
    [MET_LOST_WITHIN] = "such groups that were given up with the branch around them",
    [MET_WON_AGAIN] = "decisions that a later execution has come to",
    [MET_CUT] = "attempts of losers that were under way",
    [MET_GIVEN_UP] = "waits and sleeps given up beside a failure, or with what held them",
    [MET_NONE_WON] = "runs that have failed since nobody had won",
    [MET_DRAIN_FAILED] = "attempts that failed in a drain, and others were to follow",
    [MET_DRAIN_BEHIND] = "drains while runs waited for others",
};
static uint64_t met[MEETINGS];
static uint64_t life[RUN_STATES][RUN_EVENTS], commits[COMMITS][COMMIT_EVENTS], slots[SLOT_STATES][SLOT_EVENTS];

void coverage_leave(void)
{
    for (unsigned s = RUN_NONE + 1; s < RUN_STATES; s++)
        for (unsigned e = 0; e < RUN_EVENTS; e++) w->life_taken[s][e] = run_taken((run_state)s, (run_event)e);
    for (unsigned c = COMMIT_EMPTY + 1; c < COMMITS; c++)
        for (unsigned e = 0; e < COMMIT_EVENTS; e++)
            w->commits_taken[c][e] = run_commit_taken((run_commit)c, (run_commit_event)e);
    for (unsigned s = SLOT_NONE + 1; s < SLOT_STATES; s++)
        for (unsigned e = 0; e < SLOT_EVENTS; e++) w->slots_taken[s][e] = slot_taken((slot_state)s, (slot_event)e);
}

void coverage_add(void)
{
    for (unsigned s = 0; s < RUN_STATES; s++)
        for (unsigned e = 0; e < RUN_EVENTS; e++) life[s][e] += w->life_taken[s][e];
    for (unsigned c = 0; c < COMMITS; c++)
        for (unsigned e = 0; e < COMMIT_EVENTS; e++) commits[c][e] += w->commits_taken[c][e];
    for (unsigned s = 0; s < SLOT_STATES; s++)
        for (unsigned e = 0; e < SLOT_EVENTS; e++) slots[s][e] += w->slots_taken[s][e];
    for (unsigned m = 0; m < MEETINGS; m++) met[m] += w->met[m];
    memset(w->met, 0, sizeof w->met);
    memset(w->slots_taken, 0, sizeof w->slots_taken);
    memset(w->life_taken, 0, sizeof w->life_taken);
    memset(w->commits_taken, 0, sizeof w->commits_taken);
}

static unsigned print_life(unsigned *rows)
{
    unsigned taken = 0;
    for (unsigned s = RUN_NONE + 1; s < RUN_STATES; s++)
        for (unsigned e = 0; e < RUN_EVENTS; e++) {
            if (run_impossible((run_state)s, (run_event)e)) continue;
            ++*rows;
            taken += life[s][e] > 0;
            if (life[s][e] == 0)
                printf("# never: %s, %s\n", run_state_name((run_state)s), run_event_name((run_event)e));
        }
    return taken;
}

static unsigned print_commits(unsigned *rows)
{
    unsigned taken = 0;
    for (unsigned c = COMMIT_EMPTY + 1; c < COMMITS; c++)
        for (unsigned e = 0; e < COMMIT_EVENTS; e++) {
            if (run_commit_impossible((run_commit)c, (run_commit_event)e)) continue;
            ++*rows;
            taken += commits[c][e] > 0;
            if (commits[c][e] == 0)
                printf("# never: commit %s, %s\n", run_commit_name((run_commit)c),
                       run_commit_event_name((run_commit_event)e));
        }
    return taken;
}

static unsigned print_slots(unsigned *rows)
{
    unsigned taken = 0;
    for (unsigned s = SLOT_NONE + 1; s < SLOT_STATES; s++)
        for (unsigned e = 0; e < SLOT_EVENTS; e++) {
            if (slot_impossible((slot_state)s, (slot_event)e)) continue;
            ++*rows;
            taken += slots[s][e] > 0;
            if (slots[s][e] == 0)
                printf("# never: slot %s, %s\n", slot_state_name((slot_state)s), slot_event_name((slot_event)e));
        }
    return taken;
}

void coverage_print(void)
{
    for (unsigned m = 0; m < MEETINGS; m++)
        if (meetings[m]) printf("# met: %llu %s\n", (unsigned long long)met[m], meetings[m]);
#ifdef SW_COVERAGE_TABLE
    unsigned rows = 0, taken = print_life(&rows);
    taken += print_commits(&rows);
    taken += print_slots(&rows);
    printf("# transition tables: %u of %u rows taken\n", taken, rows);
#else
    (void)print_life, (void)print_commits, (void)print_slots;
#endif
}
