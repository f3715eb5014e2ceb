#include "coro/seeded_bug.h"

#if defined(SEEDED_BUGS)
__attribute__((visibility("default"))) int seeded_bug;
#endif
