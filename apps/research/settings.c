#include "apps/research/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT_TOKENS_LEAST = 4000, CONTEXT_TOKENS_MOST = 10000000, RETRIES_MOST = 10000 };

settings research_settings;

/* The message lives until the process ends with it; there is never a second one. */
static char settings_message[256];

static const char *settings_env(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

bool settings_is_web_url(const char *url)
{
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

void settings_declare(sw_app *app)
{
    sw_flag(app, "context-tokens", "N", "200000", "the model's context: no prompt and its answer are longer together");
    sw_flag(app, "retries", "N", "40",
            "how often a step of a research is tried again before the research stops for somebody to let it go on");
}

/* Without the slashes at its end, so that a path can follow. */
static const char *settings_base_url(const char *name, const char *fallback)
{
    char *url = strdup(settings_env(name, fallback)); /* lives as long as the process */
    for (size_t len = url ? strlen(url) : 0; len > 0 && url[len - 1] == '/'; len--) url[len - 1] = 0;
    return url ? url : fallback;
}

static const char *settings_read_price(const char *name, double *out)
{
    const char *text = settings_env(name, NULL);
    char *end = NULL;
    *out = text ? strtod(text, &end) : -1;
    if (!text || (end != text && !*end && isfinite(*out) && *out >= 0)) return NULL;
    (void)snprintf(settings_message, sizeof settings_message,
                   "%s must be a number: dollars for a million tokens, such as 3 or 0.25", name);
    return settings_message;
}

static const char *settings_read_whole(sw_app *app, const char *flag, int64_t least, int64_t most, int64_t *out)
{
    const char *text = sw_flag_value(app, flag);
    char *end = NULL;
    long long n = text ? strtoll(text, &end, 10) : 0;
    *out = n;
    if (text && end != text && !*end && n >= least && n <= most) return NULL;
    (void)snprintf(settings_message, sizeof settings_message, "--%s: \"%.40s\" is not a whole number from %lld to %lld",
                   flag, text ? text : "", (long long)least, (long long)most);
    return settings_message;
}

static const char *settings_read_anthropic(settings *s)
{
    s->model_url = settings_base_url("ANTHROPIC_BASE_URL", "https://api.anthropic.com");
    s->model_key = settings_env("ANTHROPIC_API_KEY", "");
    s->model = settings_env("ANTHROPIC_MODEL", "claude-sonnet-5-5");
    s->anthropic_version = settings_env("ANTHROPIC_VERSION", "2026-10-21");
    if (!*s->model_key) return "ANTHROPIC_API_KEY is not set (script/server starts a simulator that needs no keys)";
    return settings_is_web_url(s->model_url) ? NULL : "ANTHROPIC_BASE_URL must begin with http:// or https://";
}

static const char *settings_read_openai(settings *s)
{
    s->model_url = settings_base_url("OPENAI_BASE_URL", "https://api.openai.com/v1");
    s->model_key = settings_env("OPENAI_API_KEY", "");
    s->model = settings_env("OPENAI_MODEL", "");
    if (!*s->model) return "OPENAI_MODEL is not set: it names the model to ask";
    if (!*s->model_key && !*settings_env("OPENAI_BASE_URL", ""))
        return "OPENAI_API_KEY is not set (a server at OPENAI_BASE_URL may do without)";
    return settings_is_web_url(s->model_url) ? NULL : "OPENAI_BASE_URL must begin with http:// or https://";
}

static const char *settings_read_provider(settings *s)
{
    const char *provider = settings_env("MODEL_PROVIDER", "");
    bool only_openai = (*settings_env("OPENAI_BASE_URL", "") || *settings_env("OPENAI_API_KEY", "")) &&
                       !*settings_env("ANTHROPIC_API_KEY", "");
    if (*provider && strcmp(provider, "anthropic") != 0 && strcmp(provider, "openai") != 0)
        return "MODEL_PROVIDER must be anthropic or openai";
    s->openai = *provider ? strcmp(provider, "openai") == 0 : only_openai;
    return s->openai ? settings_read_openai(s) : settings_read_anthropic(s);
}

const char *settings_read(sw_app *app, void *unused)
{
    (void)unused;
    settings *s = &research_settings;
    *s = (settings){.exa_url = settings_base_url("EXA_BASE_URL", "https://api.exa.ai"),
                    .exa_key = settings_env("EXA_API_KEY", "")};
    const char *wrong = settings_read_provider(s);
    if (!wrong && !*s->exa_key) wrong = "EXA_API_KEY is not set (script/server starts a simulator that needs no keys)";
    if (!wrong && !settings_is_web_url(s->exa_url)) wrong = "EXA_BASE_URL must begin with http:// or https://";
    if (!wrong) wrong = settings_read_price("MODEL_PRICE_INPUT", &s->price_input);
    if (!wrong) wrong = settings_read_price("MODEL_PRICE_OUTPUT", &s->price_output);
    int64_t retries = 0;
    if (!wrong)
        wrong =
            settings_read_whole(app, "context-tokens", CONTEXT_TOKENS_LEAST, CONTEXT_TOKENS_MOST, &s->context_tokens);
    if (!wrong) wrong = settings_read_whole(app, "retries", 0, RETRIES_MOST, &retries);
    s->retries = (int)retries;
    return wrong;
}
