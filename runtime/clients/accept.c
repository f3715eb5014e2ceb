#include "runtime/clients/accept.h"

#include <string.h>

#include "http/http_text.h"
#include "runtime/clients/header_words.h"

static const char STOPS[] = " \t,;=\"";

/* Whether a weight is "0", "0.", "0.000" (RFC 9110, 12.4.2). What is no weight is not 0. */
static bool weight_is_zero(const char *weight, size_t len)
{
    if (len == 0 || weight[0] != '0') return false;
    if (len > 1 && weight[1] != '.') return false;
    for (size_t i = 2; i < len; i++)
        if (weight[i] != '0') return false;
    return true;
}

/* Reads the parameters of one media range, and leaves *at behind them. False: the range's weight is 0. */
static bool range_read_parameters(const char **at)
{
    bool wanted = true;
    while (**at && **at != ',') {
        if (**at != ';') { /* malformed: go on to the next parameter */
            *at = **at == '"' ? word_end(*at, STOPS) : *at + 1;
            continue;
        }
        const char *name = skip_space(*at + 1), *end = word_end(name, STOPS);
        bool is_weight = end - name == 1 && (*name == 'q' || *name == 'Q');
        *at = skip_space(end);
        if (**at != '=') continue;
        const char *value = skip_space(*at + 1);
        *at = word_end(value, STOPS);
        if (is_weight && weight_is_zero(value, (size_t)(*at - value))) wanted = false;
    }
    return wanted;
}

bool accept_names_events(const char *value)
{
    static const char type[] = "text/event-stream";
    const char *at = value;
    while (*(at = skip_space(at))) {
        const char *range = at;
        at = word_end(at, STOPS);
        bool is_events = text_equals_any_case(range, (size_t)(at - range), type, sizeof type - 1);
        bool wanted = range_read_parameters(&at);
        if (is_events && wanted) return true;
        if (*at == ',') at++;
    }
    return false;
}
