#include "http/server/date.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void http_date(time_t at, char out[HTTP_DATE_BYTES])
{
    /* Not strftime(), which names days and months in the locale's language. */
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    static const time_t epoch = 0;
    struct tm t;
    char text[64];
    if (!gmtime_r(&at, &t) || t.tm_year < -1899 || t.tm_year > 8099) gmtime_r(&epoch, &t);
    int len = snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday,
                       months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    assert(len == HTTP_DATE_BYTES - 1); /* four digits of a year: the others were replaced */
    memcpy(out, text, (size_t)len + 1);
}
