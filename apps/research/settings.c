#include "apps/research/settings.h"

#include <stdlib.h>
#include <string.h>

settings research_settings;

static const char *env(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

static bool is_http_url(const char *url) { return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0; }

const char *settings_read(sw_app *app, void *unused)
{
    (void)app;
    (void)unused;
    research_settings = (settings){.anthropic_url = env("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
                                   .anthropic_key = env("ANTHROPIC_API_KEY", ""),
                                   .anthropic_model = env("ANTHROPIC_MODEL", "claude-sonnet-5-5"),
                                   .anthropic_version = env("ANTHROPIC_VERSION", "2026-10-21"),
                                   .exa_url = env("EXA_BASE_URL", "https://api.exa.ai"),
                                   .exa_key = env("EXA_API_KEY", "")};
    if (!*research_settings.anthropic_key)
        return "ANTHROPIC_API_KEY is not set (script/server starts a simulator that needs no keys)";
    if (!*research_settings.exa_key)
        return "EXA_API_KEY is not set (script/server starts a simulator that needs no keys)";
    if (!is_http_url(research_settings.anthropic_url)) return "ANTHROPIC_BASE_URL must begin with http:// or https://";
    if (!is_http_url(research_settings.exa_url)) return "EXA_BASE_URL must begin with http:// or https://";
    return NULL;
}
