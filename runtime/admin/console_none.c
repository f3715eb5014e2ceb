/* In the place of the page's files, where the library is built without them (-Dconsole=disabled). */
#include "runtime/admin/console.h"

const console_file console_files[1] = {{.route = NULL}};
const size_t console_file_count = 0;
const char console_policy[] = "default-src 'none'";
