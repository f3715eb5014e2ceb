/* What holds of every text that has gone through the filter, whatever it was: outside code, a mark has a number that a
 * source is shown with, and is no link; other links lead to the web; no label has a destination; HTML is escaped. A
 * text with code is not judged. */
#ifndef TESTS_RESEARCH_MARKS_H
#define TESTS_RESEARCH_MARKS_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The bytes of "[12]" at the place; 0: there is none. */
static size_t mark_length(const char *at)
{
    size_t i = 1;
    if (*at != '[') return 0;
    while (isdigit((unsigned char)at[i])) i++;
    return i > 1 && at[i] == ']' ? i + 1 : 0;
}

static bool mark_begins_line(const char *words, const char *at)
{
    while (at > words && strchr(" \t>-+*.)0123456789", at[-1])) at--;
    return at == words || at[-1] == '\n';
}

static bool mark_is_good(const char *at, size_t len, const int64_t *shown, size_t count)
{
    const char *behind = at + len;
    long long number = strtoll(at + 1, NULL, 10);
    bool is_shown = false;
    for (size_t i = 0; i < count; i++) is_shown = is_shown || (number > 0 && shown[i] == number);
    return is_shown && *behind != '(' && (*behind != '[' || mark_length(behind) > 0);
}

static bool is_escaped(const char *words, const char *at)
{
    size_t backslashes = 0;
    while (at - backslashes > words && at[-1 - (ptrdiff_t)backslashes] == '\\') backslashes++;
    return backslashes % 2 == 1;
}

/* Whether a label at a block's beginning is given a destination. */
static bool is_definition(const char *words, const char *at)
{
    if (*at != '[' || is_escaped(words, at) || !mark_begins_line(words, at)) return false;
    do at++;
    while (*at && ((*at != '[' && *at != ']') || is_escaped(words, at)));
    return *at == ']' && at[1] == ':';
}

static bool is_harmless(const char *at)
{
    return strncasecmp(at, "<br", 3) == 0 || strncasecmp(at, "<sub>", 5) == 0 || strncasecmp(at, "</sub>", 6) == 0 ||
           strncasecmp(at, "<sup>", 5) == 0 || strncasecmp(at, "</sup>", 6) == 0;
}

static bool markup_is_good(const char *words, const char *at)
{
    if (*at == '<' && (isalpha((unsigned char)at[1]) || (at[1] && strchr("/!?", at[1]))))
        return is_escaped(words, at) || is_harmless(at);
    if (*at == '&' && at[1] == '#') return is_escaped(words, at);
    if (*at != ']' || at[1] != '(') return true;
    at += 2;
    while (*at && strchr(" \t\r\n", *at)) at++;
    return strncasecmp(at, "http://", 7) == 0 || strncasecmp(at, "https://", 8) == 0;
}

static bool marks_are_good(const char *words, const int64_t *shown, size_t count)
{
    for (const char *tick = words; (tick = strchr(tick, '`')); tick++)
        if (!is_escaped(words, tick)) return true;
    if (strstr(words, "~~~")) return true;
    for (const char *at = words; *at; at++) {
        size_t len = mark_length(at);
        if (!markup_is_good(words, at) || is_definition(words, at) || *at == '\r') return false;
        if (len > 0 && !mark_is_good(at, len, shown, count)) return false;
    }
    return true;
}

#endif
