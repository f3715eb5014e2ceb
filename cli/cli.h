/* cli: the command `stepwell`: what its words and options ask for, and what its commands share. Owns one arena, in
 * which all that a command makes lies until the process ends.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/arena.h"
#include "runtime/stepwell.h"

/* How the command ends; docs/cli.md says so too. */
typedef enum cli_end {
    CLI_DONE = 0,
    CLI_REFUSED = 1,   /* the server or the folder refused, or something failed */
    CLI_USAGE = 2,     /* the command line is wrong: nothing was done */
    CLI_NOT_THERE = 3, /* the server cannot be reached, or a program works with the folder */
    CLI_FOUND = 4      /* `journal verify` or `doctor` has found something wrong */
} cli_end;

typedef enum cli_option {
    OPTION_URL,
    OPTION_TOKEN_FILE,
    OPTION_DATA,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_STATE,
    OPTION_ENDPOINT,
    OPTION_RUN_VERSION,
    OPTION_LABEL,
    OPTION_ID,
    OPTION_ERROR,
    OPTION_FAILED_STEP,
    OPTION_KIND,
    OPTION_FROM,
    OPTION_TO,
    OPTION_LIMIT,
    OPTION_BEFORE,
    OPTION_TEXT,
    OPTION_TIMEOUT,
    OPTION_FROM_STEP,
    OPTION_BODY,
    OPTION_DRY_RUN,
    OPTION_PER_SECOND,
    OPTION_MAX,
    OPTION_YES,
    OPTION_OUTPUT,
    OPTION_KEY,
    OPTION_QUESTION,
    CLI_OPTIONS
} cli_option;

#define OPTION_BIT(option) (1U << (option))

typedef struct cli {
    const char *program; /* as it was called */
    const struct command *command;
    const char *values[CLI_OPTIONS]; /* "" of a switch; NULL: not given */
    const char *words[64];           /* behind the command's name */
    size_t word_count;
    arena arena;
} cli;

static inline bool cli_has(const cli *c, cli_option option) { return c->values[option] != NULL; }

typedef struct command {
    const char *noun, *verb; /* verb NULL: the noun alone */
    const char *words;       /* for the usage: "RUN..." */
    size_t words_min, words_max;
    unsigned options; /* bits of those that it takes beside the ones that all take */
    cli_end (*run)(cli *c);
    const char *help;
} command;

extern const command commands[];
extern const size_t command_count;

/* Fills in *c from the command line. CLI_DONE: c->command is to be run, or, NULL, nothing is left to do. */
cli_end cli_read(cli *c, int argc, char **argv);

/* Says on standard error why not, and returns `end`. */
cli_end cli_fail(cli_end end, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same command with an empty arena, for what is made on the way: to be freed with arena_free. */
cli cli_beside(const cli *c);

/* A string, which borrows the text. */
sw_value cli_string(const char *text);
/* The member of an object as JSON text, as in "name":"text"; "" if the text is NULL: its option was not given. */
const char *cli_member(cli *c, const char *name, const char *text);
/* A map, which borrows its members. */
sw_value cli_map(msgpack_object_kv *members, size_t count);

/* In the arena; ends the process when memory is out. */
char *cli_text(cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *cli_bytes(cli *c, const char *data, size_t len);
void cli_must(const void *memory);

/* The number that an option gives, or `fallback`. False: it is none between least and most, and that was said. */
bool cli_number(const cli *c, cli_option option, long long fallback, long long bounds[2], long long *out);

/* ---- The commands, one file for each noun ---- */

cli_end runs_list(cli *c);
cli_end runs_show(cli *c);
cli_end runs_children(cli *c);
cli_end runs_tail(cli *c);
cli_end runs_export(cli *c);
cli_end runs_cancel(cli *c);
cli_end runs_stop(cli *c);
cli_end runs_release(cli *c);
cli_end runs_resume(cli *c);
cli_end runs_signal(cli *c);
cli_end runs_answer(cli *c);
cli_end runs_fork(cli *c);
cli_end bulk_start(cli *c);
cli_end functions_list(cli *c);
cli_end functions_start(cli *c);
cli_end schedules_list(cli *c);
cli_end schedules_pause(cli *c);
cli_end schedules_resume(cli *c);
cli_end schedules_trigger(cli *c);
cli_end schedules_forget(cli *c);
cli_end stats_show(cli *c);
cli_end settings_list(cli *c);
cli_end settings_set(cli *c);
cli_end settings_delete(cli *c);
cli_end journal_dump(cli *c);
cli_end journal_verify(cli *c);
cli_end backup_make_copy(cli *c);
cli_end restore_copy(cli *c);
cli_end check_runs(cli *c);
cli_end doctor_look(cli *c);

#endif
