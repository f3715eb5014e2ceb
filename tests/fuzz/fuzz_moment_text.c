/* Fuzzes moment_text_read: what it takes is a moment, and the moment, written as RFC 3339 and as a number, reads as
 * the same one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/moment.h"
#include "runtime/base/moment_text.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int is_so)
{
    if (!is_so) abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char *exact = malloc(size + (size == 0)), text[64], day[32];
    int64_t ms, again = -1;
    require(exact != NULL);
    if (size > 0) memcpy(exact, data, size);
    int taken = moment_text_read(exact, size, &ms);
    free(exact);
    if (!taken) return 0;
    require(ms >= 0 && ms <= MOMENT_LAST_MS);
    struct tm t;
    time_t seconds = (time_t)(ms / 1000);
    require(gmtime_r(&seconds, &t) && strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &t) == 19);
    (void)snprintf(text, sizeof text, "%s.%03dZ", day, (int)(ms % 1000));
    require(moment_text_read(text, strlen(text), &again) && again == ms);
    (void)snprintf(text, sizeof text, "%lld", (long long)ms);
    require(moment_text_read(text, strlen(text), &again) && again == ms);
    return 0;
}
