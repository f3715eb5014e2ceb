#include "apps/upstream/settings.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const int64_t WAIT_MAX_MS = 600000;
static const double RATE_LIMIT_MAX = 1e6;

/* The message lives until the process ends with it; there is never a second one. */
static char settings_message[256];

void settings_declare(sw_app *app)
{
    sw_flag(app, "seed", "N", "1", "chooses all answers and faults; the same seed gives the same ones");
    sw_flag(app, "latency-ms", "MS", "0", "time before each answer");
    sw_flag(app, "jitter-ms", "MS", "0", "up to so much more time before each answer");
    sw_flag(app, "token-ms", "MS", "0", "time between the tokens of a stream");
    sw_flag(app, "rate-limit", "N", "0", "requests a second and API; more get 429 with retry-after (0: no limit)");
    sw_flag(app, "error-rate", "0..1", "0", "share of calls answered with 500");
    sw_flag(app, "overload-rate", "0..1", "0", "share of calls answered with 529 (Exa: 503)");
    sw_flag(app, "cut-rate", "0..1", "0", "share of calls whose connection is cut in the middle of the body");
    sw_flag(app, "stream-error-rate", "0..1", "0", "share of streams that end with an error event");
    sw_flag(app, "malformed-rate", "0..1", "0", "share of structured outputs that do not fit their schema");
    sw_flag(app, "refusal-rate", "0..1", "0", "share of messages that are refused");
    sw_flag(app, "wrong-citations", "0..1", "0", "share of the numbers in answers that name a source there is not");
}

static const char *settings_wrong(const char *flag, const char *value, const char *wanted)
{
    (void)snprintf(settings_message, sizeof settings_message, "--%s: \"%.80s\" is not %s", flag, value ? value : "",
                   wanted);
    return settings_message;
}

static const char *read_whole(sw_app *app, const char *flag, int64_t max, int64_t *out)
{
    const char *value = sw_flag_value(app, flag);
    char *end = NULL;
    errno = 0;
    long long number = value ? strtoll(value, &end, 10) : -1;
    if (!value || end == value || *end != '\0' || errno != 0 || number < 0 || number > max)
        return settings_wrong(flag, value, "a whole number in its range");
    *out = number;
    return NULL;
}

static const char *read_share(sw_app *app, const char *flag, double max, double *out)
{
    const char *value = sw_flag_value(app, flag);
    char *end = NULL;
    double number = value ? strtod(value, &end) : -1;
    if (!value || end == value || *end != '\0' || !isfinite(number) || number < 0 || number > max)
        return settings_wrong(flag, value, max > 1 ? "a number from 0 to 1000000" : "a number from 0 to 1");
    *out = number;
    return NULL;
}

const char *settings_read(sw_app *app, settings *out)
{
    assert(app && out);
    int64_t seed = 0;
    const struct {
        const char *flag;
        int64_t max;
        int64_t *out;
    } whole[] = {{"seed", INT64_MAX, &seed},
                 {"latency-ms", WAIT_MAX_MS, &out->latency_ms},
                 {"jitter-ms", WAIT_MAX_MS, &out->jitter_ms},
                 {"token-ms", WAIT_MAX_MS, &out->token_ms}};
    const struct {
        const char *flag;
        double max;
        double *out;
    } share[] = {{"rate-limit", RATE_LIMIT_MAX, &out->rate_limit},  {"error-rate", 1, &out->error_rate},
                 {"overload-rate", 1, &out->overload_rate},         {"cut-rate", 1, &out->cut_rate},
                 {"stream-error-rate", 1, &out->stream_error_rate}, {"malformed-rate", 1, &out->malformed_rate},
                 {"refusal-rate", 1, &out->refusal_rate},           {"wrong-citations", 1, &out->wrong_citations}};
    const char *wrong = NULL;
    for (size_t i = 0; i < sizeof whole / sizeof whole[0] && !wrong; i++)
        wrong = read_whole(app, whole[i].flag, whole[i].max, whole[i].out);
    for (size_t i = 0; i < sizeof share / sizeof share[0] && !wrong; i++)
        wrong = read_share(app, share[i].flag, share[i].max, share[i].out);
    out->seed = (uint64_t)seed;
    return wrong;
}
