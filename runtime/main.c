/* What a program calls first and last: sw_app_new and sw_main. Everything below meets here. */
#include <stdio.h>

#include "runtime/admin/routes.h"
#include "runtime/check/check_program.h"
#include "runtime/process/app.h"
#include "runtime/process/start.h"
#include "runtime/prove/prove.h"

enum { ERROR_TEXT = 1024 };

sw_app *sw_app_new_abi(const char *name, int abi)
{
    char why[ERROR_TEXT];
    sw_app *app = app_new(name);
    (void)snprintf(
        why, sizeof why,
        "this program was compiled with a <stepwell.h> of SW_ABI %d, and runs with a library (version %s) of "
        "SW_ABI %d: compile it again",
        abi, STEPWELL_VERSION, SW_ABI);
    if (abi != SW_ABI) app_mistake(app, why);
    admin_register_routes(app);
    return app;
}

/* Whether --prove is asked for, or one of the flags that mean nothing without it: prove_main then says what is missing.
 */
static bool main_asks_for_proof(const sw_options *o)
{
    return o->prove || o->prove_body || o->prove_headers || o->prove_signals || o->record || o->replay;
}

static int main_run(sw_app *app, int argc, char **argv)
{
    char why[ERROR_TEXT];
    options_result asked = app_configure(app, argc, argv, why, sizeof why);
    if (asked == OPTIONS_WRONG) return start_failed(app, why);
    if (asked == OPTIONS_HELP) {
        option_set_help(app->flags, app->name, stdout);
        return 0;
    }
    if (asked == OPTIONS_VERSION) {
        printf("%s (stepwell %s)\n", app->name, STEPWELL_VERSION);
        return 0;
    }
    if (app->opt.check || app->opt.check_json) return check_main(app);
    if (main_asks_for_proof(&app->opt)) return prove_main(app);
    return start_program(app, argv);
}

int sw_main(sw_app *app, int argc, char **argv)
{
    int result = main_run(app, argc, argv);
    app_free(app);
    return result;
}
