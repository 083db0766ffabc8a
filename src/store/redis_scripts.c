#include "store/redis_scripts.h"

extern const char lua_admit[];
extern const char lua_settle[];
extern const char lua_withdraw[];
extern const char lua_reserve[];
extern const char lua_book[];
extern const char lua_lapsed[];

const struct redis_script redis_scripts[REDIS_SCRIPTS] = {
    [REDIS_ADMIT] = {"admit", lua_admit},
    [REDIS_SETTLE] = {"settle", lua_settle},
    [REDIS_WITHDRAW] = {"withdraw", lua_withdraw},
    [REDIS_RESERVE] = {"reserve", lua_reserve},
    [REDIS_BOOK] = {"book", lua_book},
    [REDIS_LAPSED] = {"lapsed", lua_lapsed},
};
