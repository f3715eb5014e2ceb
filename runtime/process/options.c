#include "runtime/base/options.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_LEN = 64, FLAGS_MAX = 256, NEAR_ENOUGH = 3 };

typedef enum flag_kind { FLAG_TEXT, FLAG_SWITCH, FLAG_COUNT, FLAG_BYTES, FLAG_TIME, FLAG_CHOICE, FLAG_LIST } flag_kind;

typedef struct flag {
    const char *name;
    flag_kind kind;
    const char *value_name; /* for --help; FLAG_CHOICE: the choices, "a|b" */
    const char *fallback;   /* NULL: none */
    const char *help;
    size_t offset;       /* in sw_options */
    int64_t least, most; /* FLAG_COUNT, FLAG_BYTES, FLAG_TIME */
} flag;

typedef struct setting {
    flag flag;
    const char *value; /* as given, or the fallback */
    const char **list; /* FLAG_LIST: all that were given, NULL-terminated; owned */
    size_t list_count;
    bool owned; /* of the program: the texts in `flag` are ours to free */
} setting;

struct option_set {
    setting *all;
    size_t count, room;
};

#define AT(member) offsetof(sw_options, member)
static const int64_t KIB = 1024, MIB = 1024 * 1024, GIB = 1024 * 1024 * 1024, SECOND = 1000, DAY = 86400000;

static const flag library_flags[] = {
    {"listen", FLAG_TEXT, "HOST:PORT", "127.0.0.1:8080", "address to serve at; port 0: a free one", AT(listen), 0, 0},
    {"data", FLAG_TEXT, "DIR", "data", "folder of the journal, made if it is not there", AT(data), 0, 0},
    {"accept-journal-loss", FLAG_SWITCH, NULL, NULL,
     "start although the journal is damaged: what cannot be read is lost, its files are kept beside it",
     AT(accept_journal_loss), 0, 0},
    {"no-resume", FLAG_SWITCH, NULL, NULL, "resume no run of an earlier process until it is released", AT(no_resume), 0,
     0},
    {"backup-dir", FLAG_TEXT, "DIR", NULL, "folder that POST /_sw/backup copies the journal to", AT(backup_dir), 0, 0},
    {"loops", FLAG_COUNT, "N", "0", "loop threads; 0: one per core", AT(loops), 0, 256},
    {"supervise", FLAG_SWITCH, NULL, NULL,
     "keep the listening sockets in a small parent that starts the server again when it dies, and on SIGHUP",
     AT(supervise), 0, 0},
    {"keep-after", FLAG_TIME, "TIME", "100ms",
     "with --supervise: clients that wait this long for a run keep their connection when the server dies; 0: none does",
     AT(keep_after_ms), 0, 86400000},
    {"keep-max", FLAG_COUNT, "N", "10000", "such connections that the supervisor holds; more end with the server",
     AT(keep_max), 1, 1000000},
    {"dev", FLAG_SWITCH, NULL, NULL, "let programs and pages of this machine use /_sw/ without a token", AT(dev), 0, 0},
    {"admin-token", FLAG_TEXT, "TOKEN", NULL, "bearer token that opens /_sw/", AT(admin_token), 0, 0},
    {"secret-file", FLAG_TEXT, "FILE", NULL, "key that signs output URLs; else made once in the data folder",
     AT(secret_file), 0, 0},
    {"public-url", FLAG_TEXT, "URL", NULL,
     "how clients reach this server, for redirects (a list with commas: their Host chooses); else their Host",
     AT(public_url), 0, 0},
    {"cors-origin", FLAG_TEXT, "ORIGIN", "*", "Access-Control-Allow-Origin of run URLs: output, stream, DELETE",
     AT(cors_origin), 0, 0},
    {"ca-file", FLAG_TEXT, "FILE", NULL, "certificates to trust in calls; else the system's", AT(ca_file), 0, 0},
    {"log-format", FLAG_CHOICE, "text|json", "text", "", AT(log_format), 0, 0},
    {"log-level", FLAG_CHOICE, "error|warn|info|debug", "info", "", AT(log_level), 0, 0},
    {"redirect-after", FLAG_TIME, "TIME", "1s", "longest wait of a run before its client is sent to the output URL",
     AT(redirect_after_ms), 0, 86400000},
    {"hold", FLAG_TIME, "TIME", "0",
     "how long the output URL holds a request; 0: 45s behind a proxy, else as long as the kind of client bears",
     AT(hold_ms), 0, 86400000},
    {"heartbeat", FLAG_TIME, "TIME", "15s",
     "how long a stream is silent before a comment line is sent, so that proxies keep it; 0: for ever",
     AT(heartbeat_ms), 0, 86400000},
    {"park-after", FLAG_TIME, "TIME", "1s", "shortest sleep for which a run leaves memory", AT(park_after_ms), 0,
     86400000},
    {"drain", FLAG_TIME, "TIME", "30s", "how long steps may go on after SIGTERM", AT(drain_ms), 0, 86400000},
    {"block-warn", FLAG_TIME, "TIME", "50ms",
     "log who keeps a loop from its other runs for longer than this, with step; 0: nobody", AT(block_warn_ms), 0,
     86400000},
    {"retain", FLAG_TIME, "TIME", "7d", "how long ended runs are kept", AT(retain_ms), 1000, 86400000LL * 3650},
    {"retain-stopped", FLAG_TIME, "TIME", "30d", "how long a stopped run waits to be released before it fails",
     AT(retain_stopped_ms), 1000, 86400000LL * 3650},
    {"stopped-answer", FLAG_TIME, "TIME", "10m",
     "how long the output URL of a run whose step has used its retries waits for a release; then it answers 503",
     AT(stopped_answer_ms), 0, 86400000LL * 365},
    {"retain-bytes", FLAG_BYTES, "SIZE", "0", "ended runs are deleted, oldest first, above this; 0: no limit",
     AT(retain_bytes), 0, INT64_MAX},
    {"runs-max", FLAG_COUNT, "N", "100000", "runs in memory of each loop; more get 503", AT(runs_max), 1, 10000000},
    {"steps-max", FLAG_COUNT, "N", "10000", "steps of a run", AT(steps_max), 1, 10000000},
    {"step-result-max", FLAG_BYTES, "SIZE", "4MiB", "result of one step", AT(step_result_max), 1024,
     1024 * 1024 * 1024},
    {"run-state-max", FLAG_BYTES, "SIZE", "64MiB", "journal of one run", AT(run_state_max), 65536, 4294967295LL},
    {"journal-queue-max", FLAG_BYTES, "SIZE", "256MiB",
     "entries that wait for the disk; more: new runs get 503, steps wait", AT(journal_queue_max), 1024 * 1024,
     INT64_MAX},
    {"head-max", FLAG_BYTES, "SIZE", "16KiB", "request line and headers", AT(head_max), 1024, 1024 * 1024},
    {"body-max", FLAG_BYTES, "SIZE", "8MiB", "request body; 0: no request may have one", AT(body_max), 0,
     1024 * 1024 * 1024},
    {"head-timeout", FLAG_TIME, "TIME", "10s", "from a request's first byte to its last header; then 408",
     AT(head_timeout_ms), 10, 86400000},
    {"body-timeout", FLAG_TIME, "TIME", "20s",
     "longest wait for a request's body, begun anew as long as 500 bytes a second arrive; then 408",
     AT(body_timeout_ms), 10, 86400000},
    {"idle-timeout", FLAG_TIME, "TIME", "75s", "how long a connection without a request is kept", AT(idle_timeout_ms),
     10, 86400000},
    {"write-timeout", FLAG_TIME, "TIME", "60s", "how long a client may take nothing of a response; then it is cut",
     AT(write_timeout_ms), 10, 86400000},
    {"peer-timeout", FLAG_TIME, "TIME", "60s",
     "how long a client that has gone without a word keeps its connection; 0: for ever", AT(peer_timeout_ms), 0,
     86400000},
    {"connections-max", FLAG_COUNT, "N", "9000",
     "open client connections of each loop; more: the longest idle is closed, or 503", AT(connections_max), 1, 1000000},
    {"stack-size", FLAG_BYTES, "SIZE", "64KiB", "stack of a handler, branch or parallel step", AT(stack_size), 16384,
     8 * 1024 * 1024},
    {"blocking-threads", FLAG_COUNT, "N", "16", "threads for sw_blocking; further calls wait for one",
     AT(blocking_threads), 1, 1024},
    {"upstream-connections", FLAG_COUNT, "N", "1024", "outgoing connections to one host of each loop",
     AT(upstream_connections_per_host), 1, 100000},
    {"lookup-threads", FLAG_COUNT, "N", "8", "threads that look up names of hosts; further names wait for one",
     AT(lookup_threads), 1, 256},
    {"names-max", FLAG_COUNT, "N", "1024", "names of hosts that each loop keeps, or looks up at a time", AT(names_max),
     1, 1000000},
    {"connect-timeout", FLAG_TIME, "TIME", "10s", "how long a call may take to find its host and to connect",
     AT(connect_timeout_ms), 10, 86400000},
    {"proxy-guards", FLAG_SWITCH, NULL, NULL,
     "the proxy of the environment refuses addresses that are not public: SW_PUBLIC calls may go through it",
     AT(proxy_guards), 0, 0},
    {"prove", FLAG_TEXT, "REQUEST", NULL,
     "do not serve: make this request (\"POST /orders\"), crash it at every point, print what it does not survive",
     AT(prove), 0, 0},
    {"prove-body", FLAG_TEXT, "DATA|@FILE", NULL, "its body; also -d", AT(prove_body), 0, 0},
    {"prove-header", FLAG_LIST, "HEADER", NULL, "a header of it, \"Name: value\"; as many as are given; also -H",
     AT(prove_headers), 0, 0},
    {"prove-repeatable", FLAG_TEXT, "STEPS", NULL,
     "steps that may call twice without a key, as search,read-*: nothing happens twice", AT(prove_repeatable), 0, 0},
    {"prove-points", FLAG_COUNT, "N", "1000", "crash points to try at most, spread over the run", AT(prove_points), 1,
     1000000},
    {"prove-timeout", FLAG_TIME, "TIME", "60s", "how long one execution may take", AT(prove_timeout_ms), 100, 86400000},
    {"prove-memory", FLAG_BYTES, "SIZE", "256MiB", "what one execution may report: entries, calls, answers",
     AT(prove_bytes_max), 1024 * 1024, 1024LL * 1024 * 1024 * 64},
    {"record", FLAG_TEXT, "FILE", NULL, "with --prove: write the calls of its first execution to this file", AT(record),
     0, 0},
    {"replay", FLAG_TEXT, "FILE", NULL, "with --prove: answer calls from this file, and make none", AT(replay), 0, 0},
};
enum { LIBRARY_FLAGS = sizeof library_flags / sizeof library_flags[0] };

/* ---- The registry ---- */

static setting *find(const option_set *o, const char *name, size_t len)
{
    for (size_t i = 0; i < o->count; i++)
        if (strlen(o->all[i].flag.name) == len && memcmp(o->all[i].flag.name, name, len) == 0) return &o->all[i];
    return NULL;
}

static setting *add(option_set *o, const flag *f)
{
    if (o->count == o->room) {
        size_t room = o->room ? o->room * 2 : 64;
        setting *all = realloc(o->all, room * sizeof *all);
        if (!all) return NULL;
        o->all = all;
        o->room = room;
    }
    o->all[o->count] = (setting){.flag = *f};
    return &o->all[o->count++];
}

option_set *options_new(void)
{
    option_set *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    for (size_t i = 0; i < LIBRARY_FLAGS; i++)
        if (!add(o, &library_flags[i])) {
            options_free(o);
            return NULL;
        }
    return o;
}

static void free_text(const char *text) { free((void *)(uintptr_t)text); }

static void free_flag(const flag *f)
{
    free_text(f->name);
    free_text(f->value_name);
    free_text(f->fallback);
    free_text(f->help);
}

void options_free(option_set *o)
{
    if (!o) return;
    for (size_t i = 0; i < o->count; i++) {
        if (o->all[i].owned) free_flag(&o->all[i].flag);
        free(o->all[i].list);
    }
    free(o->all);
    free(o);
}

static bool name_valid(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n > 0 && name[n] == 0 && n <= NAME_MAX_LEN && name[0] != '-';
}

bool options_add(option_set *o, const char *name, const char *value_name, const char *fallback, const char *help,
                 char *error, size_t error_size)
{
    if (!name || !name_valid(name)) {
        (void)snprintf(error, error_size, "sw_flag: \"%s\" is no flag name: use lower-case letters, digits and '-'",
                       name ? name : "");
        return false;
    }
    if (o->count >= FLAGS_MAX) {
        (void)snprintf(error, error_size, "sw_flag: --%s is one more than the %d flags there may be", name, FLAGS_MAX);
        return false;
    }
    if (find(o, name, strlen(name)) || strcmp(name, "help") == 0 || strcmp(name, "version") == 0) {
        (void)snprintf(error, error_size, "sw_flag: --%s exists already", name);
        return false;
    }
    flag f = {.name = strdup(name),
              .kind = value_name ? FLAG_TEXT : FLAG_SWITCH,
              .value_name = value_name ? strdup(value_name) : NULL,
              .fallback = fallback ? strdup(fallback) : NULL,
              .help = strdup(help ? help : ""),
              .offset = SIZE_MAX};
    bool whole = f.name && f.help && (!value_name || f.value_name) && (!fallback || f.fallback);
    setting *s = whole ? add(o, &f) : NULL;
    if (!s) {
        free_flag(&f);
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    s->owned = true;
    return true;
}

/* ---- Values ---- */

typedef struct suffix {
    const char *text;
    int64_t factor;
} suffix;

/* "64KiB", "1.5h": a number that is not negative and one of the suffixes. False: not of that form, or too large. */
static bool parse_number(const char *text, const suffix *suffixes, int64_t *out)
{
    if (!isdigit((unsigned char)*text)) return false;
    char *end;
    double n = strtod(text, &end);
    if (end != text + strspn(text, "0123456789.")) return false; /* strtod also takes 0x10 and 1e3 */
    for (; suffixes->text; suffixes++) {
        if (strcmp(end, suffixes->text) != 0) continue;
        double product = n * (double)suffixes->factor;
        if (product >= 9.2e18) return false;
        *out = (int64_t)product;
        return (double)*out == product || suffixes->factor > 1;
    }
    return false;
}

static bool parse_by_kind(const flag *f, const char *text, int64_t *out)
{
    const suffix none[] = {{"", 1}, {NULL, 0}};
    const suffix bytes[] = {{"", 1},  {"B", 1}, {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB}, {"TiB", 1024 * GIB},
                            {NULL, 0}};
    const suffix times[] = {{"ms", 1}, {"s", SECOND}, {"m", 60 * SECOND}, {"h", 3600 * SECOND}, {"d", DAY}, {NULL, 0}};
    if (f->kind == FLAG_TIME && strcmp(text, "0") == 0) {
        *out = 0;
        return true;
    }
    return parse_number(text, f->kind == FLAG_BYTES ? bytes : f->kind == FLAG_TIME ? times : none, out);
}

static bool choice_valid(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = choices; len > 0; at++) {
        size_t n = strcspn(at, "|");
        if (n == len && memcmp(at, text, n) == 0) return true;
        at += n;
        if (!*at) break;
    }
    return false;
}

static const char *kind_form(flag_kind kind)
{
    switch (kind) {
    case FLAG_BYTES:
        return "a size like 512, 64KiB, 8MiB or 1GiB";
    case FLAG_TIME:
        return "a time like 500ms, 30s, 5m, 2h or 7d";
    default:
        return "a whole number";
    }
}

/* A switch's value is "1", or NULL for off. False: neither was meant. */
static bool read_switch(setting *s, char *error, size_t error_size)
{
    static const char *const on[] = {"1", "true", "yes", "on"}, *const off[] = {"", "0", "false", "no", "off"};
    const char *value = s->value ? s->value : "";
    s->value = NULL;
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
        if (strcasecmp(value, off[i]) == 0) return true;
    for (size_t i = 0; i < sizeof on / sizeof on[0]; i++)
        if (strcasecmp(value, on[i]) == 0) s->value = "1";
    if (!s->value)
        (void)snprintf(error, error_size, "--%s=%s: a switch is 1, true, yes or on, or 0, false, no or off",
                       s->flag.name, value);
    return s->value != NULL;
}

/* False: out of memory. */
static bool add_value(setting *s, const char *value)
{
    const char **list = realloc(s->list, (s->list_count + 2) * sizeof *list);
    if (!list) return false;
    list[s->list_count++] = value;
    list[s->list_count] = NULL;
    s->list = list;
    return true;
}

static bool store_value(setting *s, sw_options *out, char *error, size_t error_size)
{
    const flag *f = &s->flag;
    if (f->kind == FLAG_SWITCH && !read_switch(s, error, error_size)) return false;
    if (f->offset == SIZE_MAX) return true;
    char *at = (char *)out + f->offset;
    if (f->kind == FLAG_LIST) {
        if (!s->list && s->value && !add_value(s, s->value)) { /* of the environment */
            (void)snprintf(error, error_size, "out of memory");
            return false;
        }
        *(const char *const **)(void *)at = s->list;
        return true;
    }
    if (f->kind == FLAG_SWITCH) {
        *(bool *)at = s->value != NULL;
        return true;
    }
    if (f->kind == FLAG_TEXT || f->kind == FLAG_CHOICE) {
        *(const char **)(void *)at = s->value;
        if (f->kind == FLAG_TEXT || choice_valid(f->value_name, s->value)) return true;
        (void)snprintf(error, error_size, "--%s %s: must be one of %s", f->name, s->value, f->value_name);
        return false;
    }
    int64_t n = 0;
    if (!parse_by_kind(f, s->value, &n)) {
        (void)snprintf(error, error_size, "--%s %s: must be %s", f->name, s->value, kind_form(f->kind));
        return false;
    }
    if (n < f->least || n > f->most) {
        (void)snprintf(error, error_size, "--%s %s: must be between %lld and %lld%s", f->name, s->value,
                       (long long)f->least, (long long)f->most,
                       f->kind == FLAG_TIME    ? " ms"
                       : f->kind == FLAG_BYTES ? " bytes"
                                               : "");
        return false;
    }
    *(int64_t *)(void *)at = n;
    return true;
}

/* ---- Reading ---- */

static const char *from_environment(const flag *f)
{
    char name[NAME_MAX_LEN + 16] = "STEPWELL_";
    size_t n = strlen(name);
    for (const char *p = f->name; *p; p++) name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    name[n] = 0;
    return getenv(name);
}

/* Levenshtein's distance, for names of at most NAME_MAX_LEN. */
static size_t distance(const char *a, size_t a_len, const char *b)
{
    size_t row[NAME_MAX_LEN + 1], b_len = strlen(b);
    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++) row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t swap = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t best = swap < row[j] + 1 ? swap : row[j] + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
        }
    }
    return row[b_len];
}

static void unknown_flag(const option_set *o, const char *name, size_t len, char *error, size_t error_size)
{
    size_t best = NEAR_ENOUGH + 1;
    const char *near = NULL;
    for (size_t i = 0; i < o->count; i++) {
        size_t d = distance(name, len, o->all[i].flag.name);
        if (d < best) {
            best = d;
            near = o->all[i].flag.name;
        }
    }
    if (near)
        (void)snprintf(error, error_size, "unknown flag --%.*s: did you mean --%s?", (int)len, name, near);
    else
        (void)snprintf(error, error_size, "unknown flag --%.*s: see --help", (int)len, name);
}

/* What curl calls them. */
static const char *long_name(const char *arg)
{
    if (strcmp(arg, "-d") == 0) return "--prove-body";
    if (strcmp(arg, "-H") == 0) return "--prove-header";
    return arg;
}

static bool read_argument(option_set *o, char **argv, int *i, char *error, size_t error_size)
{
    const char *arg = long_name(argv[*i]);
    if (strncmp(arg, "--", 2) != 0 || !arg[2]) {
        (void)snprintf(error, error_size, "unexpected argument \"%s\": flags begin with --, see --help", arg);
        return false;
    }
    size_t len = strcspn(arg + 2, "=");
    const char *value = arg[2 + len] ? arg + 2 + len + 1 : NULL;
    setting *s = find(o, arg + 2, len);
    if (!s) {
        unknown_flag(o, arg + 2, len, error, error_size);
        return false;
    }
    if (s->flag.kind == FLAG_SWITCH) {
        s->value = value ? value : "1";
        return true;
    }
    if (!value && !(value = argv[++*i])) {
        (void)snprintf(error, error_size, "--%s needs a value: --%s %s", s->flag.name, s->flag.name,
                       s->flag.value_name);
        return false;
    }
    s->value = value;
    if (s->flag.kind != FLAG_LIST || add_value(s, value)) return true;
    (void)snprintf(error, error_size, "out of memory");
    return false;
}

options_result options_read(option_set *o, int argc, char **argv, sw_options *out, char *error, size_t error_size)
{
    *out = (sw_options){.listen = NULL};
    for (size_t i = 0; i < o->count; i++) {
        const char *env = from_environment(&o->all[i].flag);
        o->all[i].value = env ? env : o->all[i].flag.fallback;
    }
    options_result result = OPTIONS_OK;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return OPTIONS_HELP;
        if (strcmp(argv[i], "--version") == 0) {
            result = OPTIONS_VERSION;
            continue;
        }
        if (!read_argument(o, argv, &i, error, error_size)) return OPTIONS_WRONG;
    }
    for (size_t i = 0; i < o->count; i++)
        if (!store_value(&o->all[i], out, error, error_size)) return OPTIONS_WRONG;
    return result;
}

const char *options_value(const option_set *o, const char *name)
{
    const setting *s = find(o, name, strlen(name));
    return s ? s->value : NULL;
}

static void help_one(const flag *f, FILE *to)
{
    char left[NAME_MAX_LEN + 64];
    (void)snprintf(left, sizeof left, "--%s %s", f->name, f->value_name ? f->value_name : "");
    fprintf(to, "  %-34s %s", left, f->help);
    if (f->fallback && *f->fallback) fprintf(to, "%s(default %s)", *f->help ? " " : "", f->fallback);
    fputc('\n', to);
}

void options_help(const option_set *o, const char *program, FILE *to)
{
    fprintf(to, "Usage: %s [flags]\n\n", program);
    if (o->count > LIBRARY_FLAGS) {
        fprintf(to, "Flags of %s:\n", program);
        for (size_t i = LIBRARY_FLAGS; i < o->count; i++) help_one(&o->all[i].flag, to);
        fprintf(to, "\nFlags of every Stepwell program:\n");
    } else {
        fprintf(to, "Flags:\n");
    }
    for (size_t i = 0; i < LIBRARY_FLAGS; i++) help_one(&o->all[i].flag, to);
    fprintf(to, "  %-34s %s\n  %-34s %s\n", "--help", "this text", "--version",
            "the version, when all flags are right");
    fprintf(
        to,
        "\nEach flag can also be set in the environment: --listen as STEPWELL_LISTEN, --data as STEPWELL_DATA, ...\n");
}
