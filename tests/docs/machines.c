/* Prints the transition tables of the runtime as Markdown, for docs/internals/: a row for each event, a column for each
 * state that is not final. A pair that cannot be is empty. tests/docs/machines.py compares the pages with them. */
#include <ctype.h>
#include <stdio.h>

#include "runtime/run/run_machine.h"
#include "runtime/run/slot_machine.h"

static void print_capitals(const char *text)
{
    for (; *text; text++) (void)putchar(toupper((unsigned char)*text));
}

static void print_rule(unsigned columns)
{
    printf("\n|---|");
    for (unsigned i = 0; i < columns; i++) printf("---|");
    printf("\n");
}

static void print_run_cell(run_state state, run_event event)
{
    if (run_impossible(state, event)) {
        printf(" |");
        return;
    }
    run_transition next = run_next(state, event);
    printf(" ");
    if (next.to != state) print_capitals(run_state_name(next.to));
    if (next.to != state && next.action != RUN_DO_NOTHING) printf(": ");
    if (next.action != RUN_DO_NOTHING) printf("%s", run_action_name(next.action));
    if (next.to == state && next.action == RUN_DO_NOTHING) printf("-");
    printf(" |");
}

static void print_run(void)
{
    unsigned columns = 0;
    printf("run\n| |");
    for (run_state s = RUN_NEW; s < RUN_ENDED; s++, columns++) {
        printf(" ");
        print_capitals(run_state_name(s));
        printf(" |");
    }
    print_rule(columns);
    for (run_event e = 0; e < RUN_EVENTS; e++) {
        printf("| %s |", run_event_name(e));
        for (run_state s = RUN_NEW; s < RUN_ENDED; s++) print_run_cell(s, e);
        printf("\n");
    }
    printf("\n");
}

static void print_commit(void)
{
    unsigned columns = 0;
    printf("commit\n| |");
    for (run_commit c = COMMIT_NONE; c < COMMIT_REFUSED; c++, columns++) {
        printf(" ");
        print_capitals(run_commit_name(c));
        printf(" |");
    }
    print_rule(columns);
    for (run_commit_event e = 0; e < COMMIT_EVENTS; e++) {
        printf("| %s |", run_commit_event_name(e));
        for (run_commit c = COMMIT_NONE; c < COMMIT_REFUSED; c++) {
            printf(" ");
            if (!run_commit_impossible(c, e)) print_capitals(run_commit_name(run_commit_next(c, e)));
            printf(run_commit_impossible(c, e) ? "|" : " |");
        }
        printf("\n");
    }
    printf("\n");
}

static void print_slot(void)
{
    unsigned columns = 0;
    printf("slot\n| |");
    for (slot_state s = SLOT_NEW; s < SLOT_GONE; s++, columns++) {
        printf(" ");
        print_capitals(slot_state_name(s));
        printf(" |");
    }
    print_rule(columns);
    for (slot_event e = 0; e < SLOT_EVENTS; e++) {
        printf("| %s |", slot_event_name(e));
        for (slot_state s = SLOT_NEW; s < SLOT_GONE; s++) {
            printf(" ");
            if (!slot_impossible(s, e)) {
                slot_state to = slot_next(s, e);
                if (to == s)
                    printf("-");
                else
                    print_capitals(slot_state_name(to));
            }
            printf(slot_impossible(s, e) ? "|" : " |");
        }
        printf("\n");
    }
    printf("\n");
}

int main(void)
{
    print_run();
    print_commit();
    print_slot();
    return 0;
}
