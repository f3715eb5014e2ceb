/* settings: where the two services are and what they are asked with; read from the environment at the start. */
#ifndef RESEARCH_SETTINGS_H
#define RESEARCH_SETTINGS_H

#include <stepwell.h>

typedef struct settings {
    const char *anthropic_url, *anthropic_key, *anthropic_model, *anthropic_version;
    const char *exa_url, *exa_key;
} settings;

extern settings research_settings; /* written before anything is served, only read afterwards */

/* For sw_on_start. */
const char *settings_read(sw_app *app, void *unused);

#endif
