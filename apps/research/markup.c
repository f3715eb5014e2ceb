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
    if (before == '~') return behind == '~';
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

bool markup_begins_block(const char *text, size_t place)
{
    while (place > 0 && text[place - 1] != '\n')
        if (!strchr(" \t>-+*.)0123456789", text[--place])) return false;
    return true;
}

bool markup_is_escaped(const char *text, size_t place)
{
    size_t backslashes = 0;
    while (backslashes < place && text[place - 1 - backslashes] == '\\') backslashes++;
    return backslashes % 2 == 1;
}

bool markup_ends_in_label(const char *text, size_t len)
{
    while (len-- > 0)
        if ((text[len] == '[' || text[len] == ']') && !markup_is_escaped(text, len))
            return text[len] == '[' && markup_begins_block(text, len);
    return false;
}

bool markup_ends_label(const char *text, size_t len)
{
    return len > 0 && text[len - 1] == ']' && !markup_is_escaped(text, len - 1) && markup_ends_in_label(text, len - 1);
}
