/* settings: where the services are and what they are asked with; read from the environment and the flags at the start.
 */
#ifndef RESEARCH_SETTINGS_H
#define RESEARCH_SETTINGS_H

#include <stepwell.h>

typedef struct settings {
    bool openai;                   /* the model speaks the chat completions API; else Anthropic's Messages API */
    const char *model_url;         /* what the API's paths are appended to, without a slash at its end */
    const char *model_key;         /* "": none, as servers of one's own may do without */
    const char *model;             /* its name */
    const char *anthropic_version; /* of the Messages API */
    const char *exa_url, *exa_key;
    double price_input, price_output; /* dollars for a million tokens; negative: unknown */
    int64_t context_tokens;           /* of the model: prompt and answer together */
    int retries;                      /* of a step of a research, after its first attempt */
} settings;

extern settings research_settings; /* written before anything is served, only read afterwards */

void settings_declare(sw_app *app); /* the flags */

/* For sw_on_start: NULL, or what is wrong. */
const char *settings_read(sw_app *app, void *unused);

/* Whether it begins as a URL of the web. */
bool settings_is_web_url(const char *url);

#endif
