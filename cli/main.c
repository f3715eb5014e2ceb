#include <stdio.h>
#include <stdlib.h>

#include "cli/client.h"

#define FILTERS                                                                                                        \
    (OPTION_BIT(OPTION_STATE) | OPTION_BIT(OPTION_ENDPOINT) | OPTION_BIT(OPTION_RUN_VERSION) |                         \
     OPTION_BIT(OPTION_LABEL) | OPTION_BIT(OPTION_ID) | OPTION_BIT(OPTION_ERROR) | OPTION_BIT(OPTION_FAILED_STEP) |    \
     OPTION_BIT(OPTION_KIND) | OPTION_BIT(OPTION_FROM) | OPTION_BIT(OPTION_TO))

enum { MANY = 60 };

const command commands[] = {
    {"runs", "list", "", 0, 0, FILTERS | OPTION_BIT(OPTION_LIMIT) | OPTION_BIT(OPTION_BEFORE), runs_list,
     "runs, the newest first"},
    {"runs", "show", "RUN", 1, 1, OPTION_BIT(OPTION_BEFORE), runs_show, "a run with its steps"},
    {"runs", "children", "RUN", 1, 1, OPTION_BIT(OPTION_LIMIT) | OPTION_BIT(OPTION_BEFORE), runs_children,
     "the runs that it has called, the newest first"},
    {"runs", "tail", "[RUN]", 0, 1, 0, runs_tail, "what happens, until it ends"},
    {"runs", "cancel", "RUN...", 1, MANY, 0, runs_cancel, "ends them: what is under way is cut"},
    {"runs", "stop", "RUN...", 1, MANY, OPTION_BIT(OPTION_TEXT), runs_stop, "nothing of them begins until a release"},
    {"runs", "release", "RUN...", 1, MANY, 0, runs_release, "lets stopped runs go on"},
    {"runs", "resume", "RUN...", 1, MANY, OPTION_BIT(OPTION_TIMEOUT), runs_resume,
     "lets failed or cancelled runs go on"},
    {"runs", "signal", "RUN NAME [JSON]", 2, 3, 0, runs_signal, "sends it what it waits for"},
    {"runs", "answer", "RUN ANSWER", 2, 2, OPTION_BIT(OPTION_QUESTION), runs_answer,
     "answers what it asks of a person"},
    {"runs", "fork", "RUN", 1, 1, OPTION_BIT(OPTION_FROM_STEP) | OPTION_BIT(OPTION_BODY) | OPTION_BIT(OPTION_DRY_RUN),
     runs_fork, "a new run that has what this one has done"},
    {"runs", "export", "RUN", 1, 1, OPTION_BIT(OPTION_OUTPUT), runs_export, "a run with its journal, as JSON"},
    {"bulk", NULL, "ACTION", 1, 1,
     FILTERS | OPTION_BIT(OPTION_DRY_RUN) | OPTION_BIT(OPTION_PER_SECOND) | OPTION_BIT(OPTION_MAX) |
         OPTION_BIT(OPTION_TEXT) | OPTION_BIT(OPTION_YES),
     bulk_start, "cancel, stop, release or resume many"},
    {"functions", "list", "", 0, 0, 0, functions_list, "what the program does without a request"},
    {"functions", "start", "NAME [JSON]", 1, 2, OPTION_BIT(OPTION_KEY), functions_start,
     "begins a run with this input"},
    {"schedules", "list", "", 0, 0, 0, schedules_list, "when functions begin by themselves"},
    {"schedules", "pause", "NAME", 1, 1, 0, schedules_pause, "lets its points pass until it is resumed"},
    {"schedules", "resume", "NAME", 1, 1, 0, schedules_resume, "its points count again, from now on"},
    {"schedules", "trigger", "NAME", 1, 1, 0, schedules_trigger, "begins a run at once, beside the points"},
    {"schedules", "forget", "NAME", 1, 1, 0, schedules_forget, "what is on disk of it goes: it begins anew"},
    {"stats", NULL, "", 0, 0, 0, stats_show, "how much there is"},
    {"settings", "list", "", 0, 0, 0, settings_list, "what was set at runtime"},
    {"settings", "set", "NAME JSON", 2, 2, 0, settings_set, "sets it until it is deleted"},
    {"settings", "delete", "NAME", 1, 1, 0, settings_delete, "what the program says counts again"},
    {"journal", "dump", "[RUN]", 0, 1, OPTION_BIT(OPTION_OUTPUT), journal_dump, "entries, one JSON line each"},
    {"journal", "verify", "", 0, 0, 0, journal_verify, "reads all of a folder, and says what is damaged"},
    {"backup", NULL, "NAME", 1, 1, 0, backup_make_copy, "a copy of the whole journal"},
    {"restore", NULL, "BACKUP DIR", 2, 2, 0, restore_copy, "a folder from a backup, its live runs stopped"},
    {"check", NULL, "PROGRAM", 1, 1, OPTION_BIT(OPTION_LIMIT), check_runs,
     "whether a program fits the runs of a folder"},
    {"doctor", NULL, "", 0, 0, 0, doctor_look, "what is kept and why, and what runs short"},
};
const size_t command_count = sizeof commands / sizeof commands[0];

int main(int argc, char **argv)
{
    static cli c;
    cli_end end = cli_read(&c, argc, argv);
    if (end == CLI_DONE && c.command) end = c.command->run(&c);
    if (fflush(stdout) != 0 && end == CLI_DONE) end = CLI_REFUSED; /* a full disk, or nobody reads any more */
    client_end();
    arena_free(&c.arena);
    return (int)end;
}
