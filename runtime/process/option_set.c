#include "runtime/process/option_set.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/process/flag.h"

enum { FLAGS_MAX = 256, TYPO_DISTANCE_MAX = 3, ENVIRONMENT_NAME_BYTES = FLAG_NAME_MAX + 16 };

/* A flag and what was given for it. */
typedef struct setting {
    flag flag;
    const char *value; /* as given, else the fallback */
    const char **list; /* FLAG_LIST: all that were given, NULL-terminated; owned */
    size_t list_count;
    bool owns_texts; /* the program's own flag: the texts in `flag` are copies, freed with it */
} setting;

struct option_set {
    setting *all; /* the library's flags first */
    size_t count, room;
};

/* ---- The flags there are ---- */

static setting *setting_find(const option_set *o, const char *name, size_t len)
{
    for (size_t i = 0; i < o->count; i++)
        if (strlen(o->all[i].flag.name) == len && memcmp(o->all[i].flag.name, name, len) == 0) return &o->all[i];
    return NULL;
}

/* NULL: out of memory. */
static setting *setting_add(option_set *o, const flag *f)
{
    assert(o->count <= o->room);
    if (o->count == o->room) {
        size_t room = o->room ? o->room * 2 : 64;
        setting *all = realloc(o->all, room * sizeof *all);
        if (!all) return NULL;
        o->all = all;
        o->room = room;
    }
    assert(o->count < o->room);
    o->all[o->count] = (setting){.flag = *f};
    return &o->all[o->count++];
}

option_set *option_set_new(void)
{
    option_set *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    for (size_t i = 0; i < library_flag_count; i++) {
        const flag *f = &library_flags[i];
        assert((f->kind == FLAG_SWITCH) == (f->value_name == NULL));
        assert(f->kind != FLAG_CHOICE || f->fallback);
        assert(strlen(f->name) <= FLAG_NAME_MAX);
        assert(!setting_find(o, f->name, strlen(f->name)));
        if (!setting_add(o, f)) {
            option_set_free(o);
            return NULL;
        }
    }
    assert(o->count == library_flag_count);
    return o;
}

static void text_free(const char *text) { free((void *)(uintptr_t)text); }

static void flag_free_texts(const flag *f)
{
    text_free(f->name);
    text_free(f->value_name);
    text_free(f->fallback);
    text_free(f->help);
}

void option_set_free(option_set *o)
{
    if (!o) return;
    for (size_t i = 0; i < o->count; i++) {
        if (o->all[i].owns_texts) flag_free_texts(&o->all[i].flag);
        free(o->all[i].list);
    }
    free(o->all);
    free(o);
}

static bool flag_name_valid(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n > 0 && name[n] == 0 && n <= FLAG_NAME_MAX && name[0] != '-';
}

/* Whether the program may add a flag of this name. False: with a message. */
static bool flag_name_free(const option_set *o, const char *name, char *error, size_t error_size)
{
    if (!name || !flag_name_valid(name)) {
        (void)snprintf(error, error_size, "sw_flag: \"%s\" is no flag name: use lower-case letters, digits and '-'",
                       name ? name : "");
        return false;
    }
    if (o->count >= FLAGS_MAX) {
        (void)snprintf(error, error_size, "sw_flag: --%s is one more than the %d flags there may be", name, FLAGS_MAX);
        return false;
    }
    bool taken = setting_find(o, name, strlen(name)) || strcmp(name, "help") == 0 || strcmp(name, "version") == 0;
    if (taken) (void)snprintf(error, error_size, "sw_flag: --%s exists already", name);
    return !taken;
}

/* A copy; NULL of NULL. False: out of memory. */
static bool text_copy(const char *text, const char **copy)
{
    *copy = text ? strdup(text) : NULL;
    return *copy || !text;
}

bool option_set_add(option_set *o, const own_flag *own, char *error, size_t error_size)
{
    if (!flag_name_free(o, own->name, error, error_size)) return false;
    flag f = {.kind = own->value_name ? FLAG_TEXT : FLAG_SWITCH, .offset = FLAG_NO_MEMBER};
    bool copied = text_copy(own->name, &f.name);
    copied = text_copy(own->value_name, &f.value_name) && copied;
    copied = text_copy(own->fallback, &f.fallback) && copied;
    copied = text_copy(own->help ? own->help : "", &f.help) && copied;
    setting *s = copied ? setting_add(o, &f) : NULL;
    if (!s) {
        flag_free_texts(&f);
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    s->owns_texts = true;
    return true;
}

/* ---- Values ---- */

/* False: out of memory, with a message. */
static bool setting_add_value(setting *s, const char *value, char *error, size_t error_size)
{
    assert(s->flag.kind == FLAG_LIST);
    const char **list = realloc(s->list, (s->list_count + 2) * sizeof *list);
    if (!list) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    list[s->list_count++] = value;
    list[s->list_count] = NULL;
    s->list = list;
    return true;
}

/* Checks the value and writes it to its member of *out, whose type flag.c has proved (MEMBER_AT). */
static bool setting_store(setting *s, sw_options *out, char *error, size_t error_size)
{
    const flag *f = &s->flag;
    bool has_member = f->offset != FLAG_NO_MEMBER;
    void *member = has_member ? (char *)out + f->offset : NULL;
    assert(!has_member || f->offset < sizeof *out);
    bool is_on = false;
    switch (f->kind) {
    case FLAG_SWITCH:
        if (!flag_read_switch(f, s->value, &is_on, error, error_size)) return false;
        s->value = is_on ? "1" : NULL; /* what sw_flag_value gives */
        if (has_member) *(bool *)member = is_on;
        return true;
    case FLAG_TEXT:
        if (has_member) *(const char **)member = s->value;
        return true;
    case FLAG_CHOICE:
        *(const char **)member = s->value;
        return flag_read_choice(f, s->value, error, error_size);
    case FLAG_LIST:
        /* A value without a list is the environment's: there is only one. */
        if (!s->list && s->value && !setting_add_value(s, s->value, error, error_size)) return false;
        *(const char *const **)member = s->list;
        return true;
    case FLAG_COUNT:
    case FLAG_BYTES:
    case FLAG_TIME:
        return flag_read_number(f, s->value, member, error, error_size);
    }
    assert(false && "a kind of flag that nothing reads");
    return false;
}

static const char *value_of_environment(const flag *f)
{
    char name[ENVIRONMENT_NAME_BYTES] = "STEPWELL_";
    size_t n = strlen(name);
    assert(n + strlen(f->name) < sizeof name);
    for (const char *p = f->name; *p; p++) name[n++] = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    name[n] = 0;
    return getenv(name);
}

/* ---- Arguments ---- */

/* Levenshtein's distance; SIZE_MAX: one of the names is longer than FLAG_NAME_MAX. */
static size_t name_distance(const char *a, size_t a_len, const char *b)
{
    size_t row[FLAG_NAME_MAX + 1], b_len = strlen(b);
    if (a_len > FLAG_NAME_MAX || b_len > FLAG_NAME_MAX) return SIZE_MAX;
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

/* Says that there is no such flag, and which one may have been meant. */
static void unknown_flag_explain(const option_set *o, const char *name, size_t len, char *error, size_t error_size)
{
    size_t best = TYPO_DISTANCE_MAX + 1;
    const char *near = NULL;
    for (size_t i = 0; i < o->count; i++) {
        size_t d = name_distance(name, len, o->all[i].flag.name);
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

/* The long name of a short one; both short ones are what curl calls these flags. */
static const char *argument_long_name(const char *arg)
{
    if (strcmp(arg, "-d") == 0) return "--prove-body";
    if (strcmp(arg, "-H") == 0) return "--prove-header";
    return arg;
}

/* Reads argv[*i], and the argument behind it where that is its value: then *i is that one's. */
static bool argument_read(option_set *o, char **argv, int *i, char *error, size_t error_size)
{
    assert(argv[*i]);
    const char *arg = argument_long_name(argv[*i]);
    if (strncmp(arg, "--", 2) != 0 || !arg[2]) {
        (void)snprintf(error, error_size, "unexpected argument \"%s\": flags begin with --, see --help", arg);
        return false;
    }
    size_t len = strcspn(arg + 2, "=");
    const char *value = arg[2 + len] ? arg + 2 + len + 1 : NULL;
    setting *s = setting_find(o, arg + 2, len);
    if (!s) {
        unknown_flag_explain(o, arg + 2, len, error, error_size);
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
    return s->flag.kind != FLAG_LIST || setting_add_value(s, value, error, error_size);
}

options_result option_set_read(option_set *o, int argc, char **argv, sw_options *out, char *error, size_t error_size)
{
    *out = (sw_options){.listen = NULL};
    for (size_t i = 0; i < o->count; i++) {
        const char *env = value_of_environment(&o->all[i].flag);
        o->all[i].value = env ? env : o->all[i].flag.fallback;
    }
    options_result result = OPTIONS_OK;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return OPTIONS_HELP;
        if (strcmp(argv[i], "--version") == 0) {
            result = OPTIONS_VERSION;
            continue;
        }
        if (!argument_read(o, argv, &i, error, error_size)) return OPTIONS_WRONG;
    }
    for (size_t i = 0; i < o->count; i++)
        if (!setting_store(&o->all[i], out, error, error_size)) return OPTIONS_WRONG;
    return result;
}

const char *option_set_value(const option_set *o, const char *name)
{
    const setting *s = setting_find(o, name, strlen(name));
    return s ? s->value : NULL;
}

/* ---- --help ---- */

static void flag_explain(const flag *f, FILE *to)
{
    char left[FLAG_NAME_MAX + 64];
    (void)snprintf(left, sizeof left, "--%s %s", f->name, f->value_name ? f->value_name : "");
    fprintf(to, "  %-34s %s", left, f->help);
    if (f->fallback && *f->fallback) fprintf(to, "%s(default %s)", *f->help ? " " : "", f->fallback);
    fputc('\n', to);
}

void option_set_help(const option_set *o, const char *program, FILE *to)
{
    assert(o->count >= library_flag_count);
    fprintf(to, "Usage: %s [flags]\n\n", program);
    if (o->count > library_flag_count) {
        fprintf(to, "Flags of %s:\n", program);
        for (size_t i = library_flag_count; i < o->count; i++) flag_explain(&o->all[i].flag, to);
        fprintf(to, "\nFlags of every Stepwell program:\n");
    } else {
        fprintf(to, "Flags:\n");
    }
    for (size_t i = 0; i < library_flag_count; i++) flag_explain(&o->all[i].flag, to);
    fprintf(to, "  %-34s %s\n  %-34s %s\n", "--help", "this text", "--version",
            "the version, when all flags are right");
    fprintf(
        to,
        "\nEach flag can also be set in the environment: --listen as STEPWELL_LISTEN, --data as STEPWELL_DATA, ...\n");
}
