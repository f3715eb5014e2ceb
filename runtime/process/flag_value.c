#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/process/flag.h"

static const int64_t KIB = 1024, MIB = 1024 * 1024, GIB = 1024 * 1024 * 1024, SECOND = 1000, DAY = 86400000;

/* A unit behind a number, and how much it stands for. */
typedef struct suffix {
    const char *text; /* NULL: the end of the list */
    int64_t factor;
} suffix;

/* "64KiB", "1.5h": a number that is not negative and one of the suffixes. False: not of that form, or too large. */
static bool number_parse(const char *text, const suffix *suffixes, int64_t *out)
{
    if (!isdigit((unsigned char)*text)) return false;
    char *end;
    double n = strtod(text, &end);
    if (end != text + strspn(text, "0123456789.")) return false; /* strtod also takes 0x10 and 1e3 */
    for (; suffixes->text; suffixes++) {
        assert(suffixes->factor >= 1);
        if (strcmp(end, suffixes->text) != 0) continue;
        double product = n * (double)suffixes->factor;
        if (product >= 9.2e18) return false;
        *out = (int64_t)product;
        assert(*out >= 0);
        return (double)*out == product || suffixes->factor > 1;
    }
    return false;
}

static bool number_parse_by_kind(flag_kind kind, const char *text, int64_t *out)
{
    const suffix none[] = {{"", 1}, {NULL, 0}};
    const suffix bytes[] = {{"", 1},  {"B", 1}, {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB}, {"TiB", 1024 * GIB},
                            {NULL, 0}};
    const suffix times[] = {{"ms", 1}, {"s", SECOND}, {"m", 60 * SECOND}, {"h", 3600 * SECOND}, {"d", DAY}, {NULL, 0}};
    switch (kind) {
    case FLAG_BYTES:
        return number_parse(text, bytes, out);
    case FLAG_TIME:
        if (strcmp(text, "0") == 0) *out = 0;
        return strcmp(text, "0") == 0 || number_parse(text, times, out);
    default:
        return number_parse(text, none, out);
    }
}

static const char *number_form(flag_kind kind)
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

static const char *bound_unit(flag_kind kind)
{
    switch (kind) {
    case FLAG_BYTES:
        return " bytes";
    case FLAG_TIME:
        return " ms";
    default:
        return "";
    }
}

bool flag_read_number(const flag *f, const char *text, int64_t *out, char *error, size_t error_size)
{
    assert(f->kind == FLAG_COUNT || f->kind == FLAG_BYTES || f->kind == FLAG_TIME);
    assert(f->least <= f->most);
    int64_t n = 0;
    if (!number_parse_by_kind(f->kind, text, &n)) {
        (void)snprintf(error, error_size, "--%s %s: must be %s", f->name, text, number_form(f->kind));
        return false;
    }
    if (n < f->least || n > f->most) {
        (void)snprintf(error, error_size, "--%s %s: must be between %lld and %lld%s", f->name, text,
                       (long long)f->least, (long long)f->most, bound_unit(f->kind));
        return false;
    }
    *out = n;
    return true;
}

bool flag_read_choice(const flag *f, const char *text, char *error, size_t error_size)
{
    assert(f->kind == FLAG_CHOICE);
    size_t len = strlen(text);
    for (const char *at = f->value_name; len > 0; at++) {
        size_t n = strcspn(at, "|");
        if (n == len && memcmp(at, text, n) == 0) return true;
        at += n;
        if (!*at) break;
    }
    (void)snprintf(error, error_size, "--%s %s: must be one of %s", f->name, text, f->value_name);
    return false;
}

bool flag_read_switch(const flag *f, const char *text, bool *is_on, char *error, size_t error_size)
{
    static const char *const on[] = {"1", "true", "yes", "on"}, *const off[] = {"", "0", "false", "no", "off"};
    assert(f->kind == FLAG_SWITCH);
    const char *value = text ? text : "";
    *is_on = false;
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
        if (strcasecmp(value, off[i]) == 0) return true;
    for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) *is_on = *is_on || strcasecmp(value, on[i]) == 0;
    if (!*is_on)
        (void)snprintf(error, error_size, "--%s=%s: a switch is 1, true, yes or on, or 0, false, no or off", f->name,
                       value);
    return *is_on;
}
