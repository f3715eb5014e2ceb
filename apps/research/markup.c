#include "apps/research/markup.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool begins_with(const char *at, size_t len, const char *what)
{
    return len >= strlen(what) && strncasecmp(at, what, strlen(what)) == 0;
}

static bool begins_with_any(const char *at, size_t len, const char *const *list)
{
    for (; *list; list++)
        if (begins_with(at, len, *list)) return true;
    return false;
}

bool markup_acts(const char *at, size_t len, bool in_mark)
{
    static const char *const harmless[] = {"<br>", "<br/>", "<br />", "<sub>", "</sub>", "<sup>", "</sup>", NULL};
    static const char *const brackets[] = {"&#", "&lbrack", "&rbrack", "&lsqb", "&rsqb", NULL};
    unsigned char next = len > 1 ? (unsigned char)at[1] : ' ';
    if (at[0] == '<')
        return (isalpha(next) || memchr("/!?", next, 3)) && (in_mark || !begins_with_any(at, len, harmless));
    if (at[0] == '&') return begins_with_any(at, len, brackets);
    return at[0] == '!' && next == '[' && !(len > 2 && isdigit((unsigned char)at[2])); /* "so![3]" has a mark */
}

bool markup_joins(char before, char behind)
{
    if (before == '<') return isalpha((unsigned char)behind) || memchr("/!?", behind, 3);
    if (before == '&') return behind == '#' || isalpha((unsigned char)behind);
    return (before == '!' && behind == '[') || (before == ']' && behind == '(');
}

markup_place markup_destination(const char *at, size_t len, bool last)
{
    static const char *const schemes[] = {"http://", "https://"};
    size_t i = 0;
    while (i < len && memchr(" \t\r\n", at[i], 4)) i++;
    at += i;
    len -= i;
    for (i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (begins_with(at, len, schemes[i])) return MARKUP_WEB;
        if (!last && len < strlen(schemes[i]) && strncasecmp(at, schemes[i], len) == 0) return MARKUP_UNKNOWN;
    }
    return MARKUP_ELSEWHERE;
}

bool markup_defines_elsewhere(const char *at, size_t len)
{
    const char *close = memmem(at, len, "]:", 2), *end = at + len;
    if (!close) return false;
    const char *to = close + 2;
    while (to < end && memchr(" \t", *to, 2)) to++;
    const char *behind = to;
    while (behind < end && !memchr(" \t\r", *behind, 3)) behind++;
    bool is_address = behind > to && (*to == '/' || memchr(to, ':', (size_t)(behind - to)));
    if (!is_address || markup_destination(to, (size_t)(end - to), true) == MARKUP_WEB) return false;
    while (behind < end && memchr(" \t\r", *behind, 3)) behind++;
    return behind == end || memchr("\"'(", *behind, 3); /* a title may follow; else it is a sentence */
}
