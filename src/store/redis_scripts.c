#include "store/redis_scripts.h"

extern const char lua_admit[];
extern const char lua_settle[];
extern const char lua_pass[];
extern const char lua_let_go[];
extern const char lua_withdraw[];
extern const char lua_forget[];
extern const char lua_reserve[];
extern const char lua_book[];
extern const char lua_lapsed[];
extern const char lua_read_documents[];
extern const char lua_write_document[];
extern const char lua_read_audit[];
extern const char lua_add_counters[];

const struct redis_script redis_scripts[REDIS_SCRIPTS] = {
    [REDIS_ADMIT] = {"admit", lua_admit},
    [REDIS_SETTLE] = {"settle", lua_settle},
    [REDIS_PASS] = {"pass", lua_pass},
    [REDIS_LET_GO] = {"let_go", lua_let_go},
    [REDIS_WITHDRAW] = {"withdraw", lua_withdraw},
    [REDIS_FORGET] = {"forget", lua_forget},
    [REDIS_RESERVE] = {"reserve", lua_reserve},
    [REDIS_BOOK] = {"book", lua_book},
    [REDIS_LAPSED] = {"lapsed", lua_lapsed},
    [REDIS_READ_DOCUMENTS] = {"read_documents", lua_read_documents},
    [REDIS_WRITE_DOCUMENT] = {"write_document", lua_write_document},
    [REDIS_READ_AUDIT] = {"read_audit", lua_read_audit},
    [REDIS_ADD_COUNTERS] = {"add_counters", lua_add_counters},
};
