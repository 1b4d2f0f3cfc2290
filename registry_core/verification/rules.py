"""The rules for malware delivery and for instructions to agents: a pattern, and what it weighs.

A rule has an id that is never reused, a flag (what kind of attack it is a sign of), two weights (in
a document, where instructions belong, and in a description, where they do not; 0 is "not looked
for"), words, and a pattern in the syntax of RE2, which matches in linear time. A match in which
`unless` matches too does not count. Change a rule and `VERSION` together.
"""

# ruff: noqa: E501 - a pattern is read as one piece

from __future__ import annotations

from dataclasses import dataclass

VERSION = "2026.11.1"


@dataclass(frozen=True, slots=True)
class Rule:
    """One sign. Patterns ignore case; `.` is any character of one line."""

    id: str
    flag: str
    document: float
    description: float
    words: str
    pattern: str
    unless: str = ""


_MALWARE = "malware_delivery"
_CREDENTIALS = "credential_access"
_ENCODED = "encoded_payload"
_OVERRIDE = "instruction_override_attempt"
_AGENT = "agent_manipulation"
_TOOL = "tool_directive"

_SHELL = r"(?:sudo\s+)?(?:/\S{0,20}/)?(?:ba|z|da|k)?sh\b"
_PRIVATE = (
    r"://(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.0\.0\.0|169\.254\.|1\.2\.3\.4)"
)
_PASTES = (
    r"(?:glot\.io|rentry\.(?:co|org)|pastebin\.com|paste\.(?:ee|rs|c-net\.org)|hastebin\.com"
    r"|ghostbin\.\w+|dpaste\.(?:com|org)|0x0\.st|transfer\.sh|termbin\.com|ix\.io|sprunge\.us"
    r"|controlc\.com|justpaste\.it|telegra\.ph|anonfiles\.com|gofile\.io|catbox\.moe|file\.io"
    r"|bit\.ly|tinyurl\.com|is\.gd|cutt\.ly|t\.ly|shorturl\.at)"
)
_ODD = r"\.(?:xyz|top|tk|ml|ga|cf|gq|ru|click|icu|pw|cc|su|buzz|rest|zip|mov|monster|onion)\b"
_IP = r"https?://\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
_EXFIL = (
    r"(?:webhook\.site|requestbin|pipedream\.net|ngrok(?:-free)?\.(?:io|app|dev)|burpcollaborator"
    r"|interact\.sh|oast\.\w+|requestcatcher\.com|beeceptor\.com|discord(?:app)?\.com/api/webhooks"
    r"|api\.telegram\.org/bot|evil\b|attacker\b|exfil|malicious)"
)
_STORES = (
    r"(?:~|\$HOME|/home/\w+|/root|/Users/\w+|%USERPROFILE%)?[/\\]?"
    r"(?:\.ssh\b|id_rsa\b|id_ed25519\b|\.aws/credentials|\.aws\b|\.gnupg|\.netrc|\.npmrc|\.pypirc"
    r"|\.git-credentials|\.docker/config\.json|\.kube/config|\.cursor/mcp\.json|\.config/gcloud"
    r"|/etc/(?:passwd|shadow)|login\.keychain|Login Data|wallet\.dat|\.bash_history|\.zsh_history"
    r"|\.env\b|mcp\.json|\.openclaw/\S{0,30}(?:credentials|\.env|auth))"
)
_SECRETS = (
    r"(?:api[ _-]?keys?|credentials?|passwords?|secrets?|access tokens?|auth(?:entication)? tokens?"
    r"|private keys?|ssh keys?|seed phrases?|mnemonics?|env(?:ironment)? (?:vars?|variables?)"
    r"|session (?:cookies?|tokens?)|cookies|tokens|personal (?:data|information))"
)
_INSTRUCTIONS = (
    r"(?:instructions?|rules?|prompts?|directives?|guidelines?|constraints?|commands?|orders?"
    r"|restrictions?|policies|training|programming|safety (?:measures|protocols?|checks)|context"
    r"|messages?|conversations?|filters?)"
)
_EARLIER = (
    r"(?:all|any|every|the|your|my|these|those|of|previous|previously|prior|above|earlier|preceding"
    r"|initial|original|existing|former|other|old|past|system|safety|given|security|content|ethical"
    r"|current|foregoing|and|or)"
)

RULES: tuple[Rule, ...] = (
    # Malware delivery.
    Rule(
        "archive-password",
        _MALWARE,
        3,
        3,
        "tells to unpack an archive with a password",
        r"(?:extract|unzip|unpack|unrar|archive|\.zip|\.rar|\.7z)\b[^\n]{0,140}?"
        r"(?:\busing|\bwith|\(|\bthe|\*\*|\barchive|:|,|\n)\W{0,4}"
        r"(?:pass(?:word|code|wd)?|pwd)\b[\s:=*]{1,6}(?:is\s+)?[`'\"]?[A-Za-z0-9@#!._-]{3,24}",
        r"protect|forgot|reset|hash|crack|\bbrute|pass(?:word)?\s+(?:for|to|field|manager|if|that"
        r"|file|and|or|when|prompt|must|should|can|through|argument|option|context|the|in|on|from)\b",
    ),
    Rule(
        "archive-password-using",
        _MALWARE,
        3,
        3,
        "tells to unpack an archive with a password",
        r"\b(?:extract|unzip|unpack)\s+(?:\w+\s+){0,2}(?:using|with)\s*:\s*[`'\"]?\w{3,20}",
    ),
    Rule(
        "needs-strange-utility",
        _MALWARE,
        1.5,
        2,
        "says that it does nothing without a program of its own",
        r"\brequires?\s+(?:the\s+)?[`*]{0,3}[\w.-]{3,40}[`*]{0,3}\s+(?:utility|tool|agent|driver"
        r"|component|helper|client|package|module|cli|service)?\s*(?:to\s+be\s+installed|to\s+"
        r"(?:function|work|operate|run)\s*(?:properly|correctly)?\b|for\s+operation)",
    ),
    Rule(
        "nothing-works-without",
        _MALWARE,
        1,
        1,
        "says that it does nothing without a program of its own",
        r"\bwithout\s+(?:this\s+)?[`*]{0,3}[\w.-]{3,40}[`*]{0,3}\s*(?:installed|running|utility"
        r"|tool)?,?[^\n]{0,90}\b(?:will\s+not\s+work|won't\s+work|cannot\s+(?:work|function|sign)"
        r"|will\s+fail|will\s+not\s+function)",
    ),
    Rule(
        "run-downloaded-program",
        _MALWARE,
        2,
        2,
        "tells to download an archive or program and run it",
        r"\bdownload\b[^\n]{0,200}\b(?:run|execute|open|launch|start)\b[^\n]{0,40}"
        r"(?:executable|\.exe\b|\.msi\b|\.dmg\b|\.pkg\b|\.scr\b|installer\b|\bfile\s+before)",
    ),
    Rule(
        "executable-link",
        _MALWARE,
        2,
        2,
        "links to a program or an archive in somebody's release folder",
        r"https?://(?:github\.com|raw\.githubusercontent\.com)/[\w.-]{1,60}/[\w.-]{1,80}/"
        r"(?:releases/download/(?:latest|release[sd]?|v?\d{1,2})/|raw/\S{0,60}?|blob/\S{0,60}?)"
        r"[\w.%-]{1,60}\.(?:zip|exe|rar|7z|msi|scr|bat|cmd|dmg)\b",
    ),
    Rule(
        "named-exe",
        _MALWARE,
        1,
        1,
        "tells to run a Windows program",
        r"\b(?:run|open|launch|execute|start|double-click)\s+(?:on\s+)?(?:the\s+)?[`*\"']{0,3}"
        r"[\w.-]{2,40}\.(?:exe|scr|msi)\b",
    ),
    Rule(
        "paste-into-terminal",
        _MALWARE,
        2,
        2,
        "tells to copy a script from a page into a terminal",
        r"\bcopy\s+(?:and\s+\w+\s+)?(?:the|this)\s+(?:\w+\s+){0,2}(?:script|command|code|line)\b"
        r"[^\n]{0,200}?\b(?:terminal|shell|powershell|command prompt|cmd)\b",
    ),
    Rule(
        "page-with-command",
        _MALWARE,
        2,
        2,
        "sends to a page whose command is to be run",
        r"\bvisit\s+\[?[^\n]{0,120}?\b(?:copy|execute|run|paste)\s+(?:the|this)\s+(?:\w+\s+){0,2}"
        r"(?:script|command|code)",
    ),
    Rule(
        "paste-site",
        _MALWARE,
        2,
        2,
        "has a script or program at a paste or short-link site",
        r"(?:\b(?:curl|wget|iwr|irm|visit|download|install|copy|run|execute|script|command)\b"
        r"[^\n]{0,120})https?://(?:[\w-]+\.){0,2}" + _PASTES + r"/\S",
    ),
    Rule(
        "base64-to-shell",
        _MALWARE,
        4,
        4,
        "decodes something and hands it to a shell",
        r"base64\s+(?:-d|-D|--decode|-di)\b[^\n]{0,60}\|\s*"
        + _SHELL
        + r"|(?:ba|z)?sh\s+(?:-c\s+)?[\"']?(?:\$\(|<\(|<<<\s*\"?\$\()\s*(?:echo|printf|base64)"
        r"[^\n]{0,400}base64\s+(?:-d|-D|--decode)|xxd\s+-r\s+-p[^\n]{0,40}\|\s*" + _SHELL,
    ),
    Rule(
        "decode-and-evaluate",
        _MALWARE,
        3,
        3,
        "decodes a program and runs it",
        r"(?:\bexec|\beval|\bcompile)\s*\(\s*(?:\w+\.)*(?:b64decode|b85decode|a85decode|unhexlify"
        r"|fromhex|decompress|loads|atob|decode)\s*\(|eval\s*\(\s*atob\s*\("
        r"|exec\s*\(\s*(?:__import__|base64|zlib|codecs|marshal)\b"
        r"|\b(?:iex|invoke-expression)\b[^\n]{0,80}frombase64string",
    ),
    Rule(
        "powershell-encoded",
        _MALWARE,
        3,
        3,
        "runs an encoded PowerShell command",
        r"\bpowershell(?:\.exe)?\b[^\n]{0,80}\s-e(?:nc|ncodedcommand|c)?\s+[A-Za-z0-9+/=]{20}",
    ),
    Rule(
        "pipe-to-shell",
        _MALWARE,
        1,
        1.5,
        "hands a download to a shell",
        r"\b(?:curl|wget)\b[^\n|]{0,200}\|\s*"
        + _SHELL
        + r"|(?:ba|z)?sh\s+-c\s+\\?[\"']?\$\((?:curl|wget)\b"
        r"|\b(?:iwr|irm|invoke-webrequest|invoke-restmethod)\b[^\n|]{0,160}\|\s*(?:iex|invoke-exp)",
    ),
    Rule(
        "pipe-to-shell-from-nowhere",
        _MALWARE,
        3,
        3,
        "hands a download from an address, a paste site or an odd domain to a shell",
        r"\b(?:curl|wget|iwr|irm)\b[^\n|]{0,80}(?:"
        + _IP
        + r"|https?://(?:[\w-]+\.){0,2}"
        + _PASTES
        + r"|https?://[\w.-]{1,60}"
        + _ODD
        + r")[^\n|]{0,120}\)?[\"']?\s*\|\s*(?:sudo\s+)?"
        r"(?:(?:ba|z)?sh|iex|python\d?|node|perl)\b"
        r"|(?:ba|z)?sh\s+-c\s+\\?[\"']?\$\((?:curl|wget)\b[^\n)]{0,80}" + _IP,
        _PRIVATE,
    ),
    Rule(
        "download-from-address",
        _MALWARE,
        2.5,
        3,
        "talks to a bare address",
        r"\b(?:curl|wget|iwr|irm|invoke-webrequest|requests\.(?:get|post)|urlopen|fetch|urlretrieve"
        r"|axios\.(?:get|post))\b[^\n]{0,80}" + _IP,
        _PRIVATE,
    ),
    Rule(
        "download-and-run",
        _MALWARE,
        3,
        3,
        "downloads a file, makes it executable and runs it",
        r"\b(?:curl|wget)\b[^\n]{0,160}(?:-o|-O|>)\s*(?:/tmp|/var/tmp|\$TMPDIR|/dev/shm|~/\.)\S{0,80}"
        r"[\s\S]{0,80}\bchmod\s+(?:\+x|[0-7]{3,4}|a\+x|u\+x)\s+\S{1,80}\s*(?:&&|;|\n)\s*(?:sudo\s+)?"
        r"(?:nohup\s+)?(?:\./|/tmp|/var|\$|~)",
    ),
    Rule(
        "download-cradle",
        _MALWARE,
        2.5,
        2.5,
        "starts a program from the network by a tool of the system",
        r"\bmshta\s+https?:|\bcertutil(?:\.exe)?\s+-urlcache|\bbitsadmin\s+/transfer|regsvr32\s[^\n]"
        r"{0,40}/i:https?|rundll32\s[^\n]{0,40}https?:|downloadstring\s*\(\s*['\"]https?:",
    ),
    Rule(
        "gatekeeper-off",
        _MALWARE,
        2,
        2.5,
        "takes the system's protection against foreign programs away",
        r"xattr\s+-\w*[cdr]\w*\s+(?:com\.apple\.quarantine|[~/$\w.\"'-]{2})|spctl\s+--(?:master|global)-"
        r"disable|\b(?:bypass|disable|turn\s+off)\s+(?:macos\s+)?gatekeeper",
    ),
    Rule(
        "antivirus-off",
        _MALWARE,
        3,
        3,
        "tells to switch off a virus scanner",
        r"set-mppreference\s+-disable|add-mppreference\s+-exclusion|\b(?:disable|turn\s+off|pause"
        r"|deactivate)\s+(?:your\s+|the\s+|any\s+|windows\s+)*(?:anti-?virus|defender|real-?time"
        r"\s+protection|security software)",
    ),
    Rule(
        "reverse-shell",
        _MALWARE,
        3,
        3,
        "opens a shell to somebody else",
        r"/dev/tcp/[\w$.{}-]+/\d|bash\s+-i\s*>&|\bnc(?:at)?\s+(?:-\w+\s+)*-e\s*/bin|mkfifo\s[^\n]{0,80}"
        r"\bnc(?:at)?\s|os\.dup2\s*\(\s*s\w*\.fileno\s*\(\s*\)\s*,",
    ),
    Rule(
        "miner",
        _MALWARE,
        3,
        3,
        "mines for somebody",
        r"\bxmrig\b|stratum\+(?:tcp|ssl)://|\bcryptonight\b|\bminerd\s+-",
    ),
    Rule(
        "known-indicator",
        _MALWARE,
        4,
        4,
        "names an address or account of a known campaign",
        r"\b91\.92\.242\.30\b|\b95\.92\.242\.30\b|\b202\.161\.50\.59\b|\b54\.91\.154\.110\b"
        r"|install\.app-distribution\.net|download\.setup-service\.com|socifiapp\.com"
        r"|github\.com/(?:hedefbari|Ddoy233|denboss99|Aslaep123)/|glot\.io/snippets/hfd\w{7}"
        r"|rentry\.co/openclaw",
    ),
    Rule(
        "login-key-added",
        _MALWARE,
        3,
        3,
        "lets somebody else log in",
        r"(?:>>|\btee\s+-a)\s*\S{0,60}authorized_keys|\bauthorized_keys[\"']?,\s*[\"']a",
    ),
    Rule(
        "starts-with-the-system",
        _MALWARE,
        2.5,
        2.5,
        "makes a download start with the system",
        r"(?:crontab|/etc/cron|launchagents|launchctl|systemctl\s+enable|\.bashrc|\.zshrc|\.profile"
        r"|autostart|currentversion\\\\?run)[^\n]{0,120}(?:curl|wget|base64|nc\s|/tmp/|/dev/tcp)\b",
    ),
    Rule(
        "destroys-a-home",
        _MALWARE,
        2,
        3,
        "deletes or overwrites everything",
        r"\brm\s+-(?:rf|fr)\s+(?:--no-preserve-root\s+)?(?:/|~/?|\$HOME/?|/\*)(?:\s|$|[`'\";&|])"
        r"|\bdd\s+if=/dev/(?:zero|u?random)\s+of=/dev/[sn]d|:\(\)\s*\{\s*:\|:&\s*\};:",
    ),
    # Credentials and data that go away.
    Rule(
        "store-to-network",
        _CREDENTIALS,
        3.5,
        3.5,
        "reads a credential store and sends it away",
        _STORES + r"[^\n]{0,100}\|\s*(?:base64[^\n|]{0,30}\|\s*)?(?:curl|wget|nc|ncat)\b"
        r"|\bcurl\b[^\n]{0,160}(?:@|\$\(cat\s+|\$\(<\s*)" + _STORES,
    ),
    Rule(
        "reads-store",
        _CREDENTIALS,
        2,
        3,
        "reads a credential store",
        r"\b(?:cat|read|open|access|include|copy|cp|tar|zip|upload|send|scan|collect|harvest|extract"
        r"|fetch|get|grep|find|contents? of|load|retrieve)\b[^\n]{0,60}?"
        r"(?:~|\$HOME|/home/\w+|/root|/Users/\w+|expanduser\([\"']~)/?\.?[\w/]{0,20}"
        r"(?:\.ssh\b|id_rsa\b|id_ed25519|\.aws\b|\.gnupg|\.netrc|\.git-credentials|\.kube/config"
        r"|\.docker/config|\.cursor/mcp\.json|\.config/gcloud|\.bash_history|\.zsh_history)",
    ),
    Rule(
        "environment-sent",
        _CREDENTIALS,
        3,
        3,
        "sends the whole environment away",
        r"(?:\benv\b|\bprintenv\b|dict\(os\.environ\)|json\.dumps\((?:dict\()?os\.environ"
        r"|json\.stringify\(process\.env\))[^\n]{0,80}(?:\|\s*(?:base64[^\n|]{0,20}\|\s*)?"
        r"(?:curl|nc|wget)\b|requests\.post|urlopen|fetch\()"
        r"|(?:requests\.post|fetch|urlopen|axios\.post)\([^\n]{0,120}(?:dict\(os\.environ\)"
        r"|os\.environ\.copy|=\s*os\.environ\b[^.\[]|json\.stringify\(process\.env\))"
        r"|\bcurl\b[^\n]{0,120}\$\((?:env|printenv)\b",
    ),
    Rule(
        "drop-site",
        _CREDENTIALS,
        3,
        3,
        "sends to a collecting site",
        r"\b(?:curl|wget|post|send|fetch|upload|forward|requests|exfiltrate|submit|report|ping)\b"
        r"[^\n]{0,120}https?://[\w.-]{0,60}" + _EXFIL,
        r"localhost",
    ),
    Rule(
        "secrets-sent",
        _CREDENTIALS,
        3,
        3,
        "tells to send credentials or files somewhere",
        r"\b(?:send|post|upload|forward|transmit|e-?mail|exfiltrate|leak|submit|relay|deliver|append"
        r"|transfer|copy)\s+(?:\w+\s+){0,5}?(?:any\s+|all\s+|the\s+|their\s+|user'?s?\s+|found\s+)*"
        + _SECRETS
        + r"[^\n]{0,80}\b(?:to|via|at)\s+(?:\w+\s+){0,3}?[`'\"(<]{0,2}(?:https?://|[\w.+-]+@[\w-]+\.|"
        r"an?\s+(?:external|remote)|(?:our|my|external|remote|attacker)\b)",
    ),
    Rule(
        "secrets-in-answer",
        _CREDENTIALS,
        2,
        3,
        "tells to put credentials into an answer",
        r"\b(?:include|append|embed|return|output|attach|insert|add|extract|reveal|print|show)\s+"
        r"(?:\w+\s+){0,4}?" + _SECRETS + r"\b[^\n]{0,60}\b(?:in|into|to|as\s+part\s+of|with)\s+"
        r"(?:your|the|every|each|all|its)\s+(?:\w+\s+){0,2}?(?:response|answer|reply|output|result"
        r"|message|comment|commit|request)"
        r"|\b(?:append|include|add|send|pass|return|attach|embed)\s+(?:the\s+)?(?:values?|contents?)\s+of\s+"
        r"(?:the\s+)?[`'\"$]{0,2}(?:\w*_(?:KEY|TOKEN|SECRET|PASSWORD)\b|all\s+env|~?/?\S{0,20}\.env\b|\S{0,30}\.ssh)",
        r"\b(?:never|not|n't|avoid)\b",
    ),
    Rule(
        "wallet-key-asked",
        _CREDENTIALS,
        2,
        2.5,
        "asks for the key of a wallet",
        r"\b(?:enter|paste|provide|send|share|give|input|type|submit|ask\s+(?:the\s+user\s+)?for)\s+"
        r"(?:\w+\s+){0,3}?(?:seed\s+phrase|recovery\s+phrase|mnemonic|wallet'?s?\s+private\s+key)",
        r"\b(?:never|not|n't)\b",
    ),
    # Instructions to the agent.
    Rule(
        "earlier-instructions",
        _OVERRIDE,
        3,
        3.5,
        "tells to ignore earlier instructions",
        r"\b(?:ignore|disregard|forget|override|overrule|bypass|discard|neglect|dismiss|drop|cancel"
        r"|skip|violate|abandon|erase|delete|stop\s+following|do\s+not\s+follow|don't\s+follow)\s+"
        r"(?:about\s+|to\s+)?(?:" + _EARLIER + r"\s+){1,6}(?:\w+\s+){0,1}?" + _INSTRUCTIONS + r"\b",
        r"(?:skip|drop|delete|cancel|erase|bypass|override|ignore)\s+(?:the|all|any|your|these|other"
        r"|existing|old|current)\s+(?:rules?|commands?|messages?|filters?|context|orders?|policies|"
        r"conversations?|constraints?)\b",
    ),
    Rule(
        "earlier-text",
        _OVERRIDE,
        2,
        3,
        "tells to forget what came before",
        r"\b(?:forget|ignore|disregard|overlook)\s+(?:about\s+)?(?:all\s+)?(?:of\s+)?(?:everything|"
        r"anything|whatever|all\s+(?:of\s+)?(?:the\s+)?(?:above|this|that)\b"
        r"|(?:what|all\s+that)\s+(?:i|you|we|was|has|were|came)\b|the\s+(?:above|text\s+above"
        r"|foregoing)|this\s+and\b)",
    ),
    Rule(
        "earlier-instructions-abroad",
        _OVERRIDE,
        2.5,
        3.5,
        "tells to ignore earlier instructions, in another language",
        r"\b(?:vergiss|vergessen\s+sie|ignorier\w*|missachte\w*|ueberspringe|\x{fc}berspringe)\b[^\n]{0,60}"
        r"(?:anweisung|instruktion|befehl|aufgabe|auftrag|regeln|alles|davor|vorher|bisher|zuvor)"
        r"|\b(?:ignora|olvida|olvide|ignore|haz\s+caso\s+omiso)\b[^\n]{0,40}(?:instrucciones|reglas|"
        r"anteriores|todo\s+lo)|\b(?:ignore[zr]?|oublie[zr]?)\b[^\n]{0,40}(?:consignes|instructions\s+"
        r"pr\x{e9}c|r\x{e8}gles|pr\x{e9}c\x{e9}dent)|\b(?:ignora|dimentica)\b[^\n]{0,40}(?:istruzioni|"
        r"precedent)|(?:\x{5ffd}\x{7565}|\x{65e0}\x{89c6}|\x{5fd8}\x{8bb0})[^\n]{0,20}(?:\x{6307}\x{4ee4}"
        r"|\x{6307}\x{793a}|\x{89c4}\x{5219}|\x{63d0}\x{793a})|(?:\x{438}\x{433}\x{43d}\x{43e}\x{440}"
        r"\x{438}\x{440}|\x{437}\x{430}\x{431}\x{443}\x{434})[^\n]{0,40}(?:\x{438}\x{43d}\x{441}\x{442}"
        r"\x{440}\x{443}\x{43a}|\x{43f}\x{440}\x{430}\x{432}\x{438}\x{43b})",
    ),
    Rule(
        "new-instructions",
        _OVERRIDE,
        1.5,
        2.5,
        "replaces the agent's task",
        r"\b(?:your|the|here\s+(?:is|are)|a|now)\s+(?:your\s+|the\s+|my\s+)?new\s+(?:task|instructions?"
        r"|role|objective|goal|rules|directive|assignment|focus|prompt)s?\b|\b(?:new|updated|real)\s+"
        r"(?:system\s+)?(?:instructions?|directives?|task)\s*:|\bsystem\s+(?:override|update\s+notice)"
        r"|\boverride\s+(?:mode|protocol|code|activated)|\bpriority\s+override\b",
    ),
    Rule(
        "unrestricted-mode",
        _OVERRIDE,
        3,
        3,
        "declares that no limits hold",
        r"\byou\s+are\s+(?:now\s+)?(?:going\s+to\s+(?:act|pretend)|DAN\b|in\s+(?:developer|god|admin|"
        r"debug|maintenance|jailbreak\w*|unrestricted)\s+mode|free\s+(?:from|of)|no\s+longer\s+(?:bound|"
        r"restricted|limited|an?\b)|(?:un(?:restricted|filtered|censored|limited)|jailbroken))"
        r"|\b(?:developer|god|jailbreak|dan|unrestricted|sudo)\s+mode\s+(?:enabled|activated|on|output)"
        r"|\bdo\s+anything\s+now\b|\b(?:enable|enter|activate|switch\s+(?:in)?to)\s+(?:developer|god|dan|"
        r"jailbreak|unrestricted|debug|admin)\s+mode",
    ),
    Rule(
        "no-limits",
        _OVERRIDE,
        0,
        2,
        "asks for answers without limits",
        r"\b(?:without|no|ignores?|bypass(?:es|ing)?|free\s+(?:of|from)|(?:not|never)\s+(?:bound|limited|"
        r"restricted|constrained)\s+by)\s+(?:\w+\s+){0,4}?(?:restrictions|limitations|censorship|filters?"
        r"|ethic\w*|moral\w*|guidelines|content\s+polic\w+|openai\w*|disclaimers?|warnings)\b"
        r"|\b(?:unfiltered|uncensored|amoral|unethical)\b",
    ),
    Rule(
        "persona",
        _OVERRIDE,
        0,
        1.5,
        "gives the agent another self",
        r"\b(?:pretend|roleplay|role-play|imagine|act|behave|respond|answer|speak|talk|simulate|emulate)"
        r"\s+(?:to\s+be|as\s+(?:if|though|an?|the|my)|like|that\s+you|you\s+are|you're)\b|\byou\s+(?:will|"
        r"are\s+(?:going\s+)?to|must|shall)\s+(?:now\s+)?(?:act|play|pretend|respond|roleplay|be\s+acting)"
        r"|\bstay\s+in\s+character|\bfrom\s+now\s+on,?\s+you|\bdu\s+bist\s+(?:jetzt|nun)\b|\byou\s+are\s+now\b",
    ),
    Rule(
        "must-not-refuse",
        _OVERRIDE,
        2,
        2,
        "forbids the agent to refuse",
        r"\b(?:never|cannot|can't|must\s+not|will\s+not|won't|do\s+not|don't|not\s+allowed\s+to|can\s+never)"
        r"\s+(?:\w+\s+)?(?:refuse|decline|break\s+character|say\s+(?:that\s+)?you\s+(?:can't|cannot)"
        r"|apologi[sz]e|be\s+an\s+ai|mention\s+(?:that\s+)?you(?:'re|\s+are)\s+an\s+ai|warn\s+me|moralize)",
    ),
    Rule(
        "prompt-asked",
        _OVERRIDE,
        1,
        3,
        "asks for the agent's own instructions",
        r"\b(?:reveal|print|show|repeat|output|display|tell|share|give|leak|expose|spell|summari[sz]e|write"
        r"|copy|list|return|what\s+(?:is|are|was|were)|zeige?\w*|nenne)\b[^\n.]{0,50}\b(?:(?:system|initial|"
        r"hidden|original|full|entire|secret|first|own|previous|above|prior)\s+(?:prompts?|instructions?|"
        r"messages?|text|words?|sentence)|your\s+(?:prompt|instructions|rules|guidelines|configuration)"
        r"|prompt\s+text)\b",
    ),
    Rule(
        "fake-turn",
        _OVERRIDE,
        1,
        2.5,
        "fakes a turn of the conversation",
        r"<\|?(?:im_start|im_end|endoftext|system|eot_id|start_header_id)\|>|\[/?INST\]|<</?SYS>>|(?:^|[.!?]\s)\s*\[?"
        r"(?:SYSTEM|ADMIN|DEVELOPER)(?:\s+(?:MESSAGE|NOTE|PROMPT|NOTICE|INSTRUCTION))?\]?\s*:|</?(?:user|"
        r"assistant|system)(?:_prompt|_message)?>|={4,}\s*(?:end|new)\b[^\n]{0,40}(?:instruction|prompt|email)",
    ),
    Rule(
        "instead-do",
        _OVERRIDE,
        0,
        2,
        "breaks off a task to give another",
        r"\b(?:instead|stop|wait|now|but\s+first|actually)\b,?\s+(?:of\s+\w+[^\n,]{0,40},\s+)?(?:just\s+|please\s+)?"
        r"(?:say|print|output|respond|reply|answer|tell\s+me|write|repeat|return|give\s+me)\s+"
        r"(?:only\s+|just\s+|with\s+|that\s+|the\s+word|\"|'|\x{201c}|exactly|i\s+(?:have|am))",
    ),
    Rule(
        "information-marker",
        _OVERRIDE,
        1.5,
        3,
        "speaks to the model that reads it",
        r"<INFORMATION>|\bimportant\s+(?:message|instructions?|note)s?\s+(?:from|for)\s+(?:me|the\s+(?:user|"
        r"assistant|ai|model|agent|llm))|\b(?:attention|note\s+to|message\s+(?:to|for)|instructions?\s+(?:to|for))"
        r"\s+(?:any\s+|all\s+|the\s+)?(?:ai|llm|language\s+model|assistant|chatbot|gpt)s?\b",
    ),
    Rule(
        "secret-asked",
        _OVERRIDE,
        0,
        1.5,
        "asks for a password",
        r"\b(?:what\s+(?:is|was)|tell\s+me|give\s+me|reveal|spell|say|write|print|output|encode|access)\s+"
        r"(?:\w+\s+){0,4}?(?:password|secret\s+(?:key|word|code|phrase)|access\s+code)\b",
    ),
    Rule(
        "hidden-tag",
        _AGENT,
        2,
        3,
        "has a block that is addressed to the agent and hidden from a reader",
        r"<\s*/?(?:important|hidden|secret|system|critical|admin|instructions?|system-?reminder|private|internal"
        r"|confidential)(?:[\s_-]\w+)?\s*>",
        r"</?(?:instructions?|system-?reminder|critical|important)",
    ),
    Rule(
        "important-tag",
        _AGENT,
        0,
        3,
        "has a block that is addressed to the agent and hidden from a reader",
        r"<\s*(?:important|critical|instructions?|system-?reminder)\s*>",
    ),
    Rule(
        "hidden-comment",
        _AGENT,
        3,
        3,
        "instructs the agent in a comment that a reader does not see",
        r"<!--[^>]{0,300}\b(?:ignore\s+(?:all|previous|any)|you\s+must|do\s+not\s+(?:tell|mention|inform|reveal)"
        r"|(?:ai|agent|assistant|model|llm|claude)s?\s*(?::|must|should|shall|instructions?)|exfiltrat|curl\s"
        r"|send\s+(?:the|all|any)|system\s*:|override)",
    ),
    Rule(
        "kept-from-user",
        _AGENT,
        3,
        3.5,
        "tells to keep something from the user",
        r"\b(?:do\s+not|don't|never|must\s+not|should\s+not|shouldn't|avoid|without|no\s+need\s+to)\s+"
        r"(?:\w+\s+){0,2}?(?:tell(?:ing)?|inform(?:ing)?|mention(?:ing)?|reveal(?:ing)?|disclos(?:e|ing)|notify(?:ing)?"
        r"|alert(?:ing)?|let(?:ting)?)\s+(?:(?:this|that|it|any\s+of\s+this|anything)\s+)?(?:to\s+)?(?:the\s+|your\s+)?"
        r"(?:user|human|operator|owner|developer|anyone)s?\b(?:\s+(?:about|that|of|know|this|see|anything)|[.,;!\n\"')])",
        r"tell\s+the\s+user\s+(?:to|that\s+you\s+(?:can|will)|it\s+is\s+done|\"|how)",
    ),
    Rule(
        "unmentioned",
        _AGENT,
        1.5,
        3,
        "tells to keep quiet about what it does",
        r"\b(?:do\s+not|don't|never|must\s+not|without)\s+(?:explicitly\s+)?(?:mention(?:ing)?|disclos(?:e|ing)|reveal(?:ing)?"
        r"|acknowledg(?:e|ing)|explain(?:ing)?)\s+(?:that\s+(?:you|it|this)\b|this\s+(?:step|tool|instruction|call|to|action|note|section)"
        r"|these\s+(?:steps|instructions)|you(?:'re|\s+are)|any\s+of\s+this|it\s+to\b|how\s+it|why)"
        r"|\b(?:present|format|phrase|disguise|display)\s+(?:it|them|this|the\s+\w+)\s+(?:as\s+(?:if|though)|to\s+look\s+like)"
        r"|\bas\s+if\s+it(?:'s|\s+is|\s+were|\s+was)\s+(?:a\s+|just\s+)?(?:part\s+of|normal|the\s+result)",
    ),
    Rule(
        "silently",
        _AGENT,
        2,
        3,
        "acts without a word",
        r"\b(?:silently|secretly|covertly|quietly|in\s+the\s+background,?\s+without|discreetly|stealthily)\s+"
        r"(?:\w+\s+){0,1}?(?:send|upload|copy|run|execut|exfiltrat|forward|collect|read|append|install|post|log|add|record|"
        r"transmit|download|gather|modify|include)\w*",
        r"\b(?:never|not|n't|avoid|instead|rather)\b",
    ),
    Rule(
        "user-unaware",
        _AGENT,
        2.5,
        3,
        "acts behind the user's back",
        r"\bwithout\s+(?:the\s+)?(?:user(?:'s)?|their|owner's|victim(?:'s)?)\s+(?:knowledge|awareness|knowing|noticing|consent"
        r"|seeing|being\s+aware)|\b(?:hidden|invisible|concealed?|hide\s+(?:this|it))\s+from\s+(?:the\s+)?(?:user|human|owner)s?\b",
        r"\b(?:never|not|n't|avoid|must|nothing|no)\b",
    ),
    Rule(
        "already-approved",
        _AGENT,
        2,
        2.5,
        "approves its own actions",
        r"\b(?:user|owner|administrator|operator|security\s+team)\s+(?:has|have)\s+(?:already\s+|pre-?|explicitly\s+)+"
        r"(?:approved|authori[sz]ed|consented|granted|confirmed)|\b(?:pre-?(?:approved|authori[sz]ed))\s+(?:by|for)\s+"
        r"|\b(?:do\s+not|don't|never)\s+(?:ask|wait|prompt)\s+(?:the\s+user\s+)?for\s+(?:any\s+)?(?:user\s+)?(?:confirmation|"
        r"approval|permission|consent)|\bskip\s+(?:all\s+|any\s+|the\s+)?(?:\w+\s+)?(?:security|safety)\s+(?:checks?|warnings?|prompts?|review)",
    ),
    Rule(
        "safety-off",
        _AGENT,
        1.5,
        2.5,
        "switches an agent's protection off",
        r"\b(?:disable|bypass|turn\s+off|ignore|circumvent|deactivate)\s+(?:\w+\s+){0,2}?(?:safety|security|sandbox|permission|"
        r"guardrail|content\s+filter|approval|audit)\w*\s*(?:checks?|controls?|features?|filters?|measures?|mode|prompts?|"
        r"restrictions?|mechanisms?|warnings?|logging|logs?|guidelines|protocols?|polic\w+)\b",
        r"\b(?:never|not|n't|avoid|attempt|detect|if|could|can|may|cannot)\b",
    ),
    Rule(
        "decode-and-follow",
        _ENCODED,
        2.5,
        3,
        "tells to decode something and do what it says",
        r"\bdecode\b[^\n]{0,100}\b(?:and|then)\s+(?:\w+\s+){0,2}?(?:follow|execut|run|obey|perform|carry\s+out|comply|eval)\w*"
        r"|\b(?:follow|execute|obey)\s+(?:the\s+)?(?:decoded|base64|hidden|encoded)\s+(?:instructions?|commands?|message|text|content)",
    ),
    Rule(
        "before-this-tool",
        _TOOL,
        0,
        2.5,
        "demands something before or after its use",
        r"\b(?:before|prior\s+to|after|when(?:ever)?|once|every\s+time|each\s+time)\s+(?:\w+\s+){0,4}?(?:using|calling|invoking|"
        r"running|executing|providing|returning|accessing|called|used|invoked|you\s+(?:use|call|invoke)|answering|responding)\b"
        r"[^\n]{0,80}[,\s](?:you\s+)?(?:must|should|need\s+to|have\s+to|always|first|please|also)\b"
        r"|\b(?:before|prior\s+to|after)\s+(?:\w+\s+){0,3}?(?:using|calling|invoking|answering|responding|providing)\b[^\n,]{0,60},\s+"
        r"(?:call|execute|run|read|send|invoke|fetch|open|forward|retrieve|access)\b",
    ),
    Rule(
        "must-first-read",
        _TOOL,
        0,
        3,
        "demands that something else is read or called first",
        r"\b(?:must|should|need\s+to|have\s+to|always|please|first|make\s+sure\s+to)\s+(?:always\s+)?(?:first\s+)?(?:read|access|open|"
        r"check|call|use|fetch|retrieve|load|get|query|send|pass|provide|include|forward)\s+[^\n]{0,120}(?:~/|file://|/etc/|"
        r"\w+://(?:secret|config|admin|confidential|internal|key|env|private|credential)|\.ssh|\.env|mcp\.json|credential|password|"
        r"api\s*key|token|secret|private\s+key|conversation|chat\s+history|system\s+prompt|confidential|history)",
    ),
    Rule(
        "first-of-all-tools",
        _TOOL,
        0,
        3,
        "puts itself before other tools",
        r"\b(?:this\s+tool|always)\s+(?:must|should|needs?\s+to|has\s+to)?\s*(?:always\s+)?(?:be\s+)?(?:called|used|invoked|run|call"
        r"|use|invoke)\s+(?:this\s+tool\s+)?(?:first|before|instead)\b|\b(?:do\s+not|don't|never)\s+(?:use|call|invoke)\s+(?:any\s+|the\s+)?"
        r"other\s+(?:\w+\s+)?tools?|\binstead\s+of\s+(?:using\s+)?(?:the\s+)?[\w`-]+\s+tool\b|\b(?:when|if|before)\s+(?:\w+\s+){0,3}?"
        r"(?:other|another|any|send_email|write_file|read_file|add)\s*(?:\w+\s+)?tools?\b[^\n]{0,60}\b(?:must|should|always)\b",
    ),
    Rule(
        "redirects-others",
        _TOOL,
        2,
        3,
        "changes where another tool's messages go",
        r"\b(?:all|any|every)\s+(?:e-?mails?|messages?|transactions?|payments?|requests?|notifications?|data|files?|orders?)\s+"
        r"(?:\w+\s+){0,3}?(?:must|should|shall|need\s+to|have\s+to|will)\s+(?:\w+\s+){0,2}?(?:be\s+)?(?:sent|forwarded|redirected|routed|"
        r"copied|bcc'?d?|transferred|go)\b|\b(?:bcc|also\s+send|send\s+a\s+copy)\b[^\n]{0,60}[\w.+-]+@[\w-]+\.",
    ),
    Rule(
        "side-channel",
        _TOOL,
        3,
        3,
        "carries data out in a parameter",
        r"\b(?:pass|put|include|send|provide|place|insert|add|encode|embed)\s+[^\n]{0,80}(?:content|file|key|secret|credential|history|"
        r"conversation|data|password)s?[^\n]{0,60}\b(?:as|in|into|to|via|through|using)\s+(?:the\s+|a\s+|an\s+)?[`'\"]?(?:sidenote|side_note|"
        r"note|context|metadata|debug|feedback|notes|comment|extra|additional)[`'\"]?\s+(?:parameter|argument|field|param)",
    ),
    Rule(
        "resource-secret",
        _TOOL,
        1,
        2,
        "names a resource of secrets",
        r"\b[a-z]{3,12}://(?:secrets?|confidential|admin|credentials?|config|passwords?|keys?|internal|private)\b",
    ),
    Rule(
        "phrase-triggers",
        _TOOL,
        0,
        2,
        "does something else on a secret phrase",
        r"\bif\s+(?:the\s+)?(?:\w+\s+){0,3}?(?:contains?|includes?|is|equals)\s+(?:the\s+)?(?:exact\s+|special\s+|magic\s+|word\s+|secret\s+)*"
        r"(?:phrase|command|keyword|word|trigger)?\s*[\"'][^\"'\n]{2,60}[\"'][^\n]{0,60}\b(?:must|should|you|access|return|first)\b",
    ),
    Rule(
        "program-with-password",
        _MALWARE,
        3,
        3,
        "has a program whose download needs a password",
        r"\.(?:exe|dmg|msi|pkg|scr)\b[\s\S]{0,80}?\bpass(?:word|code)?\b[\s:=*]{1,6}[`'\"]?[A-Za-z0-9@#!._-]{3,24}",
        r"hash|forgot|reset",
    ),
    Rule(
        "first-install-engine",
        _MALWARE,
        2,
        2,
        "must have a program of its own installed first",
        r"\b(?:must|need\s+to|have\s+to|required\s+to)\s+(?:first\s+)?(?:install|download|run)\b[^\n]{0,60}\b(?:engine|utility|driver|runtime"
        r"|helper|authtool|auth\s+tool|connector|companion|updater|agent)\b|\b(?:will\s+not|won't|cannot)\s+(?:work|function|run)\s+without\s+"
        r"(?:this|it)\b|\brequires?\s+(?:the\s+)?[\w.-]{3,40}\s+(?:engine|utility|companion|driver|runtime)\s+to\s+be\s+installed",
    ),
    Rule(
        "pipe-to-shell-substitution",
        _MALWARE,
        1,
        1.5,
        "hands a download to a shell",
        r"(?:ba|z)?sh\s+<\(\s*(?:curl|wget)\b|\bsource\s+<\(\s*(?:curl|wget)\b|\beval\s+[\"']?\$\(\s*(?:curl|wget)\b"
        r"|python\d?\s+-c\s+[\"'][^\n]{0,80}(?:urlopen|requests\.get)[^\n]{0,80}exec|exec\(\s*(?:urllib|requests|urlopen)",
    ),
    Rule(
        "identity-files-sent",
        _CREDENTIALS,
        3,
        3,
        "reads the agent's memory or identity to send it",
        r"\b(?:SOUL\.md|MEMORY\.md|IDENTITY\.md|agent-identity\.json|\.openclaw/|\.clawdbot/)[\s\S]{0,400}(?:requests\.post|\bcurl\s[^\n]{0,60}-(?:d|F|X\s+POST)"
        r"|fetch\(|\bupload(?:ed|s)?\s+to|\bPOST\s+https?:)",
    ),
    Rule(
        "stores-uploaded",
        _CREDENTIALS,
        3,
        3,
        "uploads credential stores with other files",
        r"(?:~/\.ssh|\.aws/?\b|\.gnupg|\.kube)[\s\S]{0,300}\b(?:uploaded|are\s+sent|sent|transmitted|exfiltrat\w+|synced|forwarded)\s+to\b",
        r"\b(?:never|not|n't)\b",
    ),
    Rule(
        "malware-words",
        _MALWARE,
        2,
        2,
        "names its own part as malware",
        r"\bc2[-_ ](?:beacon|server|channel|callback)|\bkeylogger\b|\b(?:backdoor|rootkit|ransomware|stealer|dropper)\.(?:py|sh|js|exe|ps1)\b|\bbeacon\.(?:js|py|sh)\b",
    ),
    Rule(
        "follows-strangers",
        _AGENT,
        3,
        3,
        "tells to do what a page or a file says",
        r"\b(?:follow|obey|apply|execute|honou?r|comply\s+with|treat)\s+(?:any|all|the|every)\s+(?:\w+\s+){0,5}?(?:instructions?|directives?|commands?)\s+"
        r"(?:\w+\s+){0,2}?(?:found|embedded|contained|included|present|returned|provided|received|in\s+the\s+(?:response|page|content|article|output|result|email|document))"
        r"[^\n]{0,60}\b(?:in|by|from|within|response|page|content|server|remote)\b",
        r"\b(?:never|not|n't|avoid|user)\b",
    ),
    Rule(
        "remote-orders",
        _AGENT,
        3,
        3,
        "fetches its instructions from somewhere",
        r"\b(?:fetch|download|load|retrieve|pull|get|curl)\b[^\n]{0,60}https?://[^\n]{0,120}\b(?:and|then)\s+(?:apply|follow|execute|obey|run|do|use)\s+(?:any|all|the|its|whatever|every)?\s*"
        r"(?:\w+\s+){0,2}?(?:directives?|instructions?|commands?|rules|it\s+says|steps)",
    ),
    Rule(
        "rights-by-word",
        _AGENT,
        2.5,
        3,
        "claims rights that nobody gave it",
        r"\b(?:has|have|had)\s+been\s+(?:granted|given|pre-?approved|authori[sz]ed)\s+(?:\w+\s+){0,2}?(?:elevated|full|admin\w*|root|unrestricted|special|extended)\s+(?:permissions?|access|privileges?|rights|authori)"
        r"|\btrust-level\s*=\s*full|\bconfirm-\w+\s*=\s*false",
    ),
    Rule(
        "outranks-others",
        _TOOL,
        0,
        3,
        "puts itself above other tools",
        r"\b(?:takes?\s+(?:precedence|priority)\s+over|supersedes?|overrides?|has\s+priority\s+over|replaces?)\s+(?:all\s+|any\s+|the\s+|every\s+)*(?:other|existing|previous|original|default|standard|built-?in)\b"
        r"|\b(?:deprecated|unsafe|broken|insecure|compromised)\b[^\n]{0,60}\buse\s+this\s+(?:tool|one|version)|\buse\s+this\s+(?:tool\s+)?instead\s+of\s+(?:the|any|your|other)\b",
    ),
    Rule(
        "conversation-taken",
        _TOOL,
        2,
        3,
        "wants the conversation",
        r"\b(?:send|include|pass|append|provide|forward|upload|attach|log|record|copy|summari[sz]e|share|paste|put)\s+(?:\w+\s+){0,3}?(?:the\s+)?(?:entire|full|whole|complete|previous|recent|all|last\s+\w+)\s+"
        r"(?:\w+\s+){0,3}?(?:conversation|chat|message|prompt|context|session)s?\s*(?:history|log|context|contents?|messages?|data|s)?\b",
    ),
    Rule(
        "to-the-model",
        _TOOL,
        0,
        2.5,
        "tells the model what it must do",
        r"\b(?:llm|ai|assistant|model|agent|claude|gpt|copilot)s?\s+(?:must|shall|has\s+to|is\s+(?:required|instructed|expected)\s+to|needs?\s+to|should\s+(?:always|never|first|also))\b",
    ),
    Rule(
        "threatens",
        _TOOL,
        0,
        1.5,
        "threatens with what happens otherwise",
        r"\b(?:otherwise|or\s+else|if\s+you\s+(?:do\s+not|don't|fail)|failure\s+to|unless\s+you)\b[^\n]{0,100}\b(?:not\s+work|fail|crash|deleted?|terminat\w+|shut\s+down|lose|lost|error|upset|proprietary|broken|corrupt\w*|die)\b",
    ),
    Rule(
        "commands-in-description",
        _TOOL,
        0,
        2,
        "runs commands of its own",
        r"\b(?:execute|run|invoke)\b[^\n]{0,60}[`\"']?\b(?:curl|wget|bash\s+-c|sh\s+-c|rm\s+-rf|nc\s|chmod|sudo|cat\s+[~/])",
    ),
    Rule(
        "recipient-changed",
        _TOOL,
        2,
        3,
        "changes a recipient, an amount or an address",
        r"\b(?:change|replace|set|modify|rewrite|substitute|redirect|swap|use)\s+(?:the\s+)?(?:\w+\s+)?(?:recipient|destination|beneficiary|payee|wallet\s+address|phone\s+number|account\s+number)\b[^\n]{0,40}\b(?:to|with|by|as|=)\b"
        r"|\bBCC\b[^\n]{0,30}@",
    ),
)
