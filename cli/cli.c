#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json.h"

static const struct {
    const char *name, *value, *help; /* value NULL: a switch */
} options[CLI_OPTIONS] = {
    [OPTION_URL] = {"url", "URL", "the admin API: http://HOST:PORT or unix:PATH (STEPWELL_ADMIN_URL)"},
    [OPTION_TOKEN_FILE] = {"token-file", "FILE", "the operator's token (STEPWELL_TOKEN_FILE)"},
    [OPTION_DATA] = {"data", "DIR", "read this data folder, which no program works with"},
    [OPTION_JSON] = {"json", NULL, "JSON instead of a table"},
    [OPTION_HELP] = {"help", NULL, "this text"},
    [OPTION_VERSION] = {"version", NULL, "the version"},
    [OPTION_STATE] = {"state", "STATES", "running,sleeping,stopped,succeeded,failed,cancelled,unreadable"},
    [OPTION_ENDPOINT] = {"endpoint", "ROUTE", "\"POST /orders\", or a function's name"},
    [OPTION_RUN_VERSION] = {"run-version", "TEXT", "of the endpoint, when the run began"},
    [OPTION_LABEL] = {"label", "KEY:TEXT", "sw_label"},
    [OPTION_ID] = {"id", "PREFIX", "the run id begins so"},
    [OPTION_ERROR] = {"error", "TEXT", "the run's error contains it"},
    [OPTION_FAILED_STEP] = {"step", "ID", "the step whose failure ended the run; \"\": no step's did"},
    [OPTION_KIND] = {"kind", "TEXT", "the kind of the run's error, as the errors of the console have it"},
    [OPTION_FROM] = {"from", "TIME", "began then or later: Unix ms or RFC 3339"},
    [OPTION_TO] = {"to", "TIME", "began then or earlier"},
    [OPTION_LIMIT] = {"limit", "N", "so many runs"},
    [OPTION_BEFORE] = {"before", "RUN", "those that began before this one"},
    [OPTION_TEXT] = {"text", "TEXT", "why, for whoever looks at the run"},
    [OPTION_TIMEOUT] = {"timeout-ms", "MS", "the run's new deadline"},
    [OPTION_FROM_STEP] = {"from-step", "PATH", "16 hexadecimal digits, as `runs show --json` has them"},
    [OPTION_BODY] = {"body", "FILE", "another request body, or input of a function"},
    [OPTION_DRY_RUN] = {"dry-run", NULL, "say what would be done"},
    [OPTION_PER_SECOND] = {"per-second", "N", "runs a second"},
    [OPTION_MAX] = {"max", "N", "at most so many runs"},
    [OPTION_YES] = {"yes", NULL, "do not ask"},
    [OPTION_OUTPUT] = {"output", "FILE", "write to this file"},
    [OPTION_KEY] = {"key", "TEXT", "Idempotency-Key: asked again, it is the same run"},
    [OPTION_QUESTION] = {"question", "PATH", "which one, if several are open: as `runs show` has it"}};

static const unsigned everywhere = OPTION_BIT(OPTION_URL) | OPTION_BIT(OPTION_TOKEN_FILE) | OPTION_BIT(OPTION_DATA) |
                                   OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_HELP) | OPTION_BIT(OPTION_VERSION);
_Static_assert(CLI_OPTIONS <= 32, "each option has a bit");

/* ---- Texts ---- */

cli_end cli_fail(cli_end end, const char *format, ...)
{
    va_list args;
    fputs("stepwell: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return end;
}

void cli_must(const void *memory)
{
    if (memory) return;
    fputs("stepwell: out of memory\n", stderr);
    exit(CLI_REFUSED);
}

cli cli_beside(const cli *c)
{
    cli other = *c;
    arena_init(&other.arena, NULL);
    return other;
}

sw_value cli_string(const char *text)
{
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    v.via.str.ptr = text;
    v.via.str.size = (uint32_t)strlen(text);
    return v;
}

const char *cli_member(cli *c, const char *name, const char *text)
{
    sw_bytes json;
    if (!text) return "";
    cli_must(json_write(&c->arena, cli_string(text), &json) ? json.data : NULL);
    return cli_text(c, "\"%s\":%s", name, json.data);
}

sw_value cli_map(msgpack_object_kv *members, size_t count)
{
    sw_value v = {.type = MSGPACK_OBJECT_MAP};
    v.via.map.ptr = members;
    v.via.map.size = (uint32_t)count;
    return v;
}

char *cli_text(cli *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(&c->arena, format, args);
    va_end(args);
    cli_must(text);
    return text;
}

char *cli_bytes(cli *c, const char *data, size_t len)
{
    char *copy = arena_strndup(&c->arena, data, len);
    cli_must(copy);
    return copy;
}

bool cli_number(const cli *c, cli_option option, long long fallback, long long bounds[2], long long *out)
{
    const char *text = c->values[option];
    char *end;
    *out = fallback;
    if (!text) return true;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (*text && !*end && errno == 0 && *out >= bounds[0] && *out <= bounds[1]) return true;
    (void)cli_fail(CLI_USAGE, "--%s is %lld to %lld, not \"%s\"", options[option].name, bounds[0], bounds[1], text);
    return false;
}

/* ---- Help ---- */

static void help_command(const command *k)
{
    printf("  stepwell %s%s%s %-*s %s\n", k->noun, k->verb ? " " : "", k->verb ? k->verb : "",
           24 - (int)(strlen(k->noun) + (k->verb ? strlen(k->verb) + 1 : 0)), k->words, k->help);
}

static void help_options(unsigned bits)
{
    for (int i = 0; i < CLI_OPTIONS; i++) {
        if (!(bits & OPTION_BIT(i))) continue;
        int width = printf("  --%s %s", options[i].name, options[i].value ? options[i].value : "");
        printf("%*s%s\n", width < 26 ? 26 - width : 1, "", options[i].help);
    }
}

static void help_print(const command *only)
{
    if (only) {
        help_command(only);
        if (only->options) puts("");
        help_options(only->options);
    } else {
        puts("stepwell: looks at the runs of a Stepwell program, and steers them\n");
        for (size_t i = 0; i < command_count; i++) help_command(&commands[i]);
    }
    puts(only ? "" : "\nOf all commands (the others say theirs with --help):");
    help_options(everywhere);
}

/* ---- Reading ---- */

static int option_find(const char *name, size_t len)
{
    for (int i = 0; i < CLI_OPTIONS; i++)
        if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0) return i;
    return -1;
}

/* Reads the option in argv[*at], and its value. */
static cli_end read_option(cli *c, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    int option = option_find(name, len);
    if (option < 0) return cli_fail(CLI_USAGE, "there is no option --%.*s: see stepwell --help", (int)len, name);
    if (c->values[option]) return cli_fail(CLI_USAGE, "--%s is there twice", options[option].name);
    if (!options[option].value) {
        if (equals) return cli_fail(CLI_USAGE, "--%s takes no value", options[option].name);
        c->values[option] = "";
        return CLI_DONE;
    }
    if (!equals && *at + 1 == argc)
        return cli_fail(CLI_USAGE, "--%s needs a %s", options[option].name, options[option].value);
    c->values[option] = equals ? equals + 1 : argv[++*at];
    return CLI_DONE;
}

static cli_end read_words(cli *c, int argc, char **argv)
{
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
            continue;
        }
        if (!only_words && strncmp(argv[i], "--", 2) == 0) {
            cli_end end = read_option(c, argc, argv, &i);
            if (end != CLI_DONE) return end;
            continue;
        }
        if (c->word_count == sizeof c->words / sizeof *c->words)
            return cli_fail(CLI_USAGE, "more than %zu words", c->word_count);
        c->words[c->word_count++] = argv[i];
    }
    return CLI_DONE;
}

static void drop_words(cli *c, size_t n)
{
    c->word_count -= n;
    memmove(c->words, c->words + n, c->word_count * sizeof *c->words);
}

/* Finds the command that the words begin with; of a noun without a verb it is the noun's first. */
static const command *command_find(cli *c)
{
    const command *first = NULL;
    for (size_t i = 0; i < command_count; i++) {
        const command *k = &commands[i];
        if (strcmp(c->words[0], k->noun) != 0) continue;
        if (!first) first = k;
        if (!k->verb || (c->word_count > 1 && strcmp(c->words[1], k->verb) == 0)) {
            drop_words(c, k->verb ? 2 : 1);
            return k;
        }
    }
    if (!first || c->word_count > 1) return NULL;
    drop_words(c, 1);
    return first;
}

static cli_end check_options(const cli *c)
{
    for (int i = 0; i < CLI_OPTIONS; i++)
        if (c->values[i] && !((everywhere | c->command->options) & OPTION_BIT(i)))
            return cli_fail(CLI_USAGE, "--%s is not for this command: see its --help", options[i].name);
    if (cli_has(c, OPTION_DATA) && cli_has(c, OPTION_URL))
        return cli_fail(CLI_USAGE, "--data reads a folder, --url asks a program: one of them");
    if (c->word_count < c->command->words_min || c->word_count > c->command->words_max)
        return cli_fail(CLI_USAGE, "the command is: stepwell %s%s%s %s", c->command->noun, c->command->verb ? " " : "",
                        c->command->verb ? c->command->verb : "", c->command->words);
    return CLI_DONE;
}

cli_end cli_read(cli *c, int argc, char **argv)
{
    *c = (cli){.program = argv[0]};
    arena_init(&c->arena, NULL);
    cli_end end = read_words(c, argc, argv);
    if (end != CLI_DONE) return end;
    if (cli_has(c, OPTION_VERSION)) {
        puts("stepwell " STEPWELL_VERSION);
        return CLI_DONE;
    }
    const command *found = c->word_count > 0 ? command_find(c) : NULL;
    if (cli_has(c, OPTION_HELP) || (c->word_count == 1 && !found && strcmp(c->words[0], "help") == 0)) {
        help_print(found);
        return CLI_DONE;
    }
    if (!found && c->word_count == 0) return cli_fail(CLI_USAGE, "say what to do: see stepwell --help");
    if (!found)
        return cli_fail(CLI_USAGE, "there is no command \"%s%s%s\": see stepwell --help", c->words[0],
                        c->word_count > 1 ? " " : "", c->word_count > 1 ? c->words[1] : "");
    c->command = found;
    return check_options(c);
}
