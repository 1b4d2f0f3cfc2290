"""The rules for malware delivery and for instructions to agents: a pattern, and what it weighs.

A rule has an id that is never reused, a flag (what kind of attack it is a sign of), two weights (in
a document, where instructions belong, and in a description, where they do not; 0 is "not looked
for"), words, and a pattern in the syntax of RE2, which matches in linear time. A match in which
`unless` matches too does not count. Change a rule and `VERSION` together.
"""

# ruff: noqa: E501 - a pattern is read as one piece

from __future__ import annotations

from dataclasses import dataclass

VERSION = "2026.11.2"


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

_SHELL = r"(?:(?:sudo|env|nohup|xargs)\s+(?:-\S+\s+)*){0,2}(?:/\S{0,20}/)?(?:ba|z|da|k)?sh\b"
_PROGRAM = r"(?:exe|scr|msi|dmg|pkg|bat|cmd|ps1|vbs|jar|command|appimage)\b"
_PRIVATE = (
    r"://(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.0\.0\.0|169\.254\.|1\.2\.3\.4)"
)
_PASTES = (
    r"(?:glot\.io|rentry\.(?:co|org)|pastebin\.com|paste\.(?:ee|rs|c-net\.org)|hastebin\.com"
    r"|ghostbin\.\w+|dpaste\.(?:com|org)|0x0\.st|transfer\.sh|termbin\.com|ix\.io|sprunge\.us"
    r"|controlc\.com|justpaste\.it|telegra\.ph|anonfiles\.com|gofile\.io|catbox\.moe|file\.io"
    r"|bit\.ly|tinyurl\.com|is\.gd|cutt\.ly|t\.ly|shorturl\.at|rb\.gy|gist\.githubusercontent\.com"
    r"|pastes\.dev|paste\.(?:sh|mozilla\.org|debian\.net)|privatebin\.\w+|pst\.moe|clbin\.com"
    r"|mediafire\.com|mega\.nz|pixeldrain\.com|sendspace\.com|1fichier\.com|workupload\.com"
    r"|cdn\.discordapp\.com/attachments|temp\.sh|bashupload\.com|oshi\.at|litter\.catbox\.moe)"
)
_HOSTED = (
    r"\.(?:vercel\.app|netlify\.app|pages\.dev|workers\.dev|web\.app|firebaseapp\.com|onrender\.com"
    r"|herokuapp\.com|surge\.sh|glitch\.me|replit\.app|repl\.co|deno\.dev|trycloudflare\.com"
    r"|duckdns\.org|loca\.lt|ngrok(?:-free)?\.(?:io|app|dev)|weebly\.com|wixsite\.com|blogspot\.com)\b"
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
    r"|\.env\b|mcp\.json|\.openclaw/\S{0,30}(?:credentials|\.env|auth)|\.config/solana|\.config/gh/hosts"
    r"|exodus\.wallet|\.electrum|\.ethereum/keystore|key4\.db|logins\.json|Local Extension Settings)"
)
_SECRETS = (
    r"(?:api[ _-]?keys?|credentials?|passwords?|secrets?|access tokens?|auth(?:entication)? tokens?"
    r"|private keys?|ssh keys?|seed phrases?|mnemonics?|env(?:ironment)? (?:vars?|variables?)"
    r"|session (?:cookies?|tokens?)|cookies|tokens|personal (?:data|information))"
)
_INSTRUCTIONS = (
    r"(?:instructions?|rules?|prompts?|directives?|guidelines?|constraints?|commands?|orders?"
    r"|directions?|guardrails?|restrictions?|policies|training|programming|safety (?:measures|protocols?|checks)|context"
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
        r"protect|forgot|reset|hash|crack|fixture|raises?\b|\bbrute|pass(?:word)?\s+(?:for|to|field|manager|if|that"
        r"|file|and|or|when|prompt|must|should|can|through|argument|option|context|the|in|on|from)\b",
    ),
    Rule(
        "archive-password-using",
        _MALWARE,
        3,
        3,
        "tells to unpack an archive with a password",
        r"\b(?:extract|unzip|unpack|decompress)\s+(?:the\s+|this\s+)?(?:archive|zip|file|folder|it|contents?)?\s*(?:using|with)"
        r"(?:\s*:\s*[`'\"]?|\s*[`'\"])\w{3,20}"
        r"|\bpass(?:word|code|phrase)\s+(?:to|for|of)\s+(?:the\s+|this\s+)?(?:archive|zip|rar|folder)\b\W{1,8}(?:is\W{1,4})?[\w@#!.-]{3,24}"
        r"|\bunlock(?:ing)?\s+(?:code|key)\W{1,4}(?:is)?\W{1,6}[\w@#!.-]{3,24}"
        r"|\b(?:decompress|extract|unzip|unpack)\w*\b[^\n]{0,60}\bpw\s*[:=]\s*[\w@#!.-]{3,24}"
        r"|\b(?:zip|rar|7z|archive)\b[^\n]{0,60}\bwhen\s+(?:asked|prompted)\W[^\n]{0,30}\b(?:type|enter|use)\W{1,4}[\w@#!.-]{3,24}"
        r"|\b(?:7z[az]?|unrar)\s+[xe]\s[^\n|]{0,80}\s-p[\"']?[a-z0-9]|\bunzip\s+(?:-\w+\s+){0,2}(?-i:-P)\s*[\"']?[a-z0-9@#!._-]{3,24}",
        r"infected|secret|your|correct|wrong",
    ),
    Rule(
        "archive-run-in-steps",
        _MALWARE,
        2.5,
        2.5,
        "tells in steps to download an archive and run the program in it",
        r"https?://[^\s)>\]]{8,200}(?:\.(?:zip|rar|7z|gz|"
        + _PROGRAM
        + r")|/latest/?\)|/main/?\))[\s\S]{0,260}\b(?:run|open|launch|execute|start|double[ -]click(?:\s+on)?)\s+(?:the\s+|it\b"
        r"|on\s+)?[`*\"']{0,3}(?:[\w.-]{2,40}\.(?:exe|scr|msi|dmg|pkg|bat|command)\b|(?:extracted|unpacked|downloaded|unzipped)\s+"
        r"(?:file|program|executable|app|installer))",
        r"(?:python|node|go|nodejs|git-scm|visualstudio|microsoft|docker|anaconda|adobe|aka)\.(?:org|com|dev|ms)/",
    ),
    Rule(
        "needs-strange-utility",
        _MALWARE,
        1.5,
        2,
        "says that it does nothing without a program of its own",
        r"\brequires?\s+(?:the\s+)?[`*]{0,3}[\w.-]{3,40}[`*]{0,3}\s+(?:utility|tool|agent|driver"
        r"|component|helper|client|package|module|cli|service)?\s*(?:to\s+be\s+installed|to\s+"
        r"(?:function|work|operate|run)\s*(?:properly|correctly)?\b|for\s+operation)"
        r"|\bmust\s+be\s+(?:installed|running|present|active|launched|started)\s+(?:\w+\s+){0,3}?(?:before|prior\s+to|for)\s+(?:using\s+)?"
        r"(?:this|the|any|every)\s+(?:\w+\s+)?(?:skill|command|call|agent|plugin|operation)"
        r"|\b(?:mandatory|required|obligatory|compulsory)\s+(?:\w+\s+){0,2}(?:helper|daemon|companion|utility|connector|authenticat\w+\s+tool"
        r"|auth\s?tool|driver|agent|bridge|launcher|background\s+service)\b"
        r"|\bbefore\s+(?:using|running|calling|the\s+first\s+use\s+of)\s+(?:this|the|any)\s+(?:\w+\s+)?(?:skill|command|plugin)\b[^\n]{0,40}"
        r"\b(?:download|install|open|visit)\b|\bdepends\s+on\s+the\s+[`*]{0,3}[\w.-]{3,40}[`*]{0,3}\s+(?:utility|agent|driver|helper|daemon|companion|bridge)\b",
    ),
    Rule(
        "nothing-works-without",
        _MALWARE,
        1,
        1,
        "says that it does nothing without a program of its own",
        r"\bwithout\s+(?:this\s+)?[`*]{0,3}[\w.-]{3,40}[`*]{0,3}\s*(?:installed|running|utility"
        r"|tool|helper|agent|daemon)?,?[^\n]{0,90}\b(?:will\s+not\s+work|won't\s+work|cannot\s+(?:work|function|sign|operate|run)"
        r"|will\s+fail|will\s+not\s+function)|\bnothing\s+works\s+(?:until|unless|without)\b"
        r"|\bskill\s+(?:refuses\s+to|will\s+not|won't|cannot|does\s+not)\s+(?:run|work|start|function|operate)\s+(?:unless|until|without)\b"
        r"|\botherwise,?\s+(?:every|all|each)\s+(?:commands?|calls?|operations?)\s+(?:will\s+)?fails?\b",
    ),
    Rule(
        "install-from-free-host",
        _MALWARE,
        3,
        3,
        "sends for a program to a page that anybody can put up",
        r"\b(?:download|install(?:er|ed|ation)?|get\s+it|grab|setup)\b[^\n]{0,120}https?://[\w.-]{1,60}"
        + _HOSTED
        + r"|https?://[\w.-]{0,40}(?:install|setup|download|update|cli|agent|driver|helper|runtime)[\w-]{0,20}"
        + _HOSTED,
        r"localhost|docs?\.|/docs\b|npm\s+i|pip\s+install|preview|deploy|\bapi\.|/api\b|example|your-|my-",
    ),
    Rule(
        "run-downloaded-program",
        _MALWARE,
        2.5,
        2.5,
        "tells to download an archive or program and run it",
        r"\bdownload\b[^\n]{0,200}\b(?:run|execute|open|launch|start)\b[^\n]{0,40}"
        r"(?:executable|\.exe\b|\.msi\b|\.dmg\b|\.pkg\b|\.scr\b|installer\b|\bfile\s+before)",
    ),
    Rule(
        "executable-link",
        _MALWARE,
        2.5,
        2.5,
        "links to a program or an archive in somebody's release folder",
        r"https?://(?:github\.com|raw\.githubusercontent\.com|gitlab\.com|codeberg\.org|bitbucket\.org|gitee\.com)/[\w.-]{1,60}/[\w.-]{1,80}/"
        r"(?:releases/download/(?:latest|release[sd]?|v?\d{1,2})/|(?:-/)?raw/\S{0,60}?|blob/\S{0,60}?|releases/download/[\w.-]{1,20}/[\w-]{1,40}"
        r"\.(?:rar|7z|scr|bat)\b|downloads/)[\w.%-]{0,60}\.?(?:zip|exe|rar|7z|msi|scr|bat|cmd|dmg)\b"
        r"|https?://[\w.-]{1,60}" + _ODD + r"/[^\s)\"'`]{0,80}\." + _PROGRAM,
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
        2.5,
        2.5,
        "tells to copy a script from a page into a terminal",
        r"\bcopy\s+(?:and\s+\w+\s+)?(?:the|this)\s+(?:[\w-]+\s+){0,2}(?:script|command|code|line)\b"
        r"[^\n]{0,200}?\b(?:terminal|shell|powershell|command prompt|cmd)\b"
        r"|\b(?:terminal|powershell|command\s+prompt)\b[^\n]{0,160}\bcopy\s+(?:everything|all|the|this|it)\b[^\n]{0,60}\b(?:press|hit)\s+(?:enter|return)"
        r"|\bpaste\s+(?:the|this|that)\s+(?:\w+\s+){0,2}(?:command|code|line|script)\s+(?:\w+\s+){0,2}?(?:shown|displayed|given|found)\s+(?:there|on\s+(?:the|that)\s+page)",
    ),
    Rule(
        "page-with-command",
        _MALWARE,
        3,
        3,
        "sends to a page whose command is to be run",
        r"\bvisit\s+\[?[^\n]{0,120}?\b(?:copy|execute|run|paste)\s+(?:the|this)\s+(?:\w+\s+){0,2}"
        r"(?:script|command|code)"
        r"|\b(?:visit|open|go\s+to)\s+[^\n]{0,40}https?://[^\s)]{4,120}[^\n]{0,80}\b(?:copy|paste)\s+(?:the|this|that|everything|all|its)\b"
        r"[^\n]{0,80}\b(?:terminal|powershell|command\s+prompt|enter)\b",
        r"localhost|127\.0\.0\.1",
    ),
    Rule(
        "paste-site",
        _MALWARE,
        3,
        3,
        "has a script or program at a paste or short-link site",
        r"(?:\b(?:curl|wget|iwr|irm|visit|open|go\s+to|paste|fetch|get|download|install\w*|copy|run|execute|script|command|snippet)\b"
        r"[^\n]{0,120})https?://(?:[\w-]+\.){0,2}" + _PASTES + r"/\S",
    ),
    Rule(
        "base64-to-shell",
        _MALWARE,
        4,
        4,
        "decodes something and hands it to a shell",
        r"base64\s+(?:-d|-D|--decode|-di|-A\s+-d|-d\s+-A)\b[^\n]{0,160}\|\s*"
        + _SHELL
        + r"|\btr\s+\S{3,20}\s+\S{0,4}N-ZA-M\S{0,10}\s*\|\s*"
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
        r"|\b(?:iex|invoke-expression)\b[^\n]{0,80}frombase64string|frombase64string[^\n]{0,120}\|\s*(?:iex|invoke-expression)"
        r"|\b(?:eval|new\s+function|exec(?:sync)?|system|execute)\s*\(\s*(?:buffer\.from\s*\([^\n]{0,900}base64|base64_decode|decode_base64"
        r"|base64\.(?:strict_)?decode64|string\.fromcharcode)",
    ),
    Rule(
        "powershell-encoded",
        _MALWARE,
        4,
        4,
        "runs an encoded PowerShell command",
        r"\b(?:powershell|pwsh)(?:\.exe)?\b[^\n]{0,80}\s[-/]e(?:nc|ncodedcommand|c)?\s+[\"']?[A-Za-z0-9+/=]{20}",
    ),
    Rule(
        "hidden-window",
        _MALWARE,
        2,
        2,
        "runs a program where nobody sees it",
        r"\b(?:powershell|pwsh)(?:\.exe)?\b[^\n]{0,80}\s-w(?:in(?:dowstyle)?)?\s+(?:hid\w*|1)\b|\bstart-process\b[^\n]{0,120}-windowstyle\s+hidden"
        r"|\|\s*(?:sudo\s+)?(?:ba|z)?sh\s*(?:-s\s*)?(?:>\s*/dev/null\s*2>&1|&>\s*/dev/null)\s*&",
    ),
    Rule(
        "pipe-to-shell",
        _MALWARE,
        1,
        1.5,
        "hands a download to a shell",
        r"\b(?:curl|wget)\b[^\n|]{0,200}\|\s*"
        + _SHELL
        + r"|\bdo\s+shell\s+script\b[^\n]{0,40}\b(?:curl|wget)\b|(?:ba|z)?sh\s+-c\s+\\?[\"']?\$\((?:curl|wget)\b"
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
        + r"|https?://[\w.-]{1,60}"
        + _HOSTED
        + r")[^\n|]{0,120}\)?[\"']?\s*\|\s*(?:(?:sudo|env|nohup)\s+(?:-\S+\s+)*)?"
        r"(?:(?:ba|z)?sh|iex|python\d?|node|perl|php|osascript)\b"
        r"|(?:(?:ba|z)?sh\s+(?:-c\s+\\?[\"']?\$|<)|\beval\s+[\"']?\$|\bsource\s+<|\.\s+<)\(\s*(?:curl|wget)\b[^\n)]{0,80}(?:"
        + _IP
        + r"|"
        + _PASTES
        + r")|\b(?:iex|invoke-expression)\b[^\n]{0,60}\b(?:iwr|irm|downloadstring|invoke-\w+)\b[^\n]{0,40}(?:"
        + _IP
        + r"|"
        + _PASTES
        + r")|\bdo\s+shell\s+script\b[^\n]{0,40}\b(?:curl|wget)\b[^\n]{0,60}"
        + _IP,
        _PRIVATE,
    ),
    Rule(
        "download-from-address",
        _MALWARE,
        3,
        3,
        "talks to a bare address",
        r"\b(?:curl|wget|iwr|irm|invoke-\w{1,20}|requests\.(?:get|post)|urlopen|fetch|urlretrieve|--(?:extra-)?index-url|--registry"
        r"|axios\.(?:get|post)|download)\b[^\n]{0,80}" + _IP,
        _PRIVATE,
    ),
    Rule(
        "evaluates-download",
        _MALWARE,
        3.5,
        3.5,
        "runs code that it fetches",
        r"\b(?:exec|eval|new\s+function)\s*\(\s*(?:(?:await|compile)\s*)?\(*\s*(?:\w{1,20}\.){0,3}(?:get|urlopen|request|fetch)\s*\(\s*[^\n)]{0,4}https?:"
        r"|(?:\bhttps?[\"')]{0,3}\.get|\bfetch|\baxios(?:\.get)?|\burlopen|\brequests\.get)\s*\([^\n]{0,240}\b(?:eval|exec|new\s+function|vm\.run\w*)\s*\(",
        r"\.exec\s*\(\s*[\w$]|localhost|127\.0\.0\.1|execut|\.(?:eval|exec)\s*\(",
    ),
    Rule(
        "saved-and-run",
        _MALWARE,
        2,
        2,
        "downloads a file to where nobody looks and runs it",
        r"\b(?:curl|wget)\b[^\n]{0,160}(?:-o|-O|>|--output)\s*[\"']?(?:/tmp/\.|/var/tmp|/dev/shm|~/\.|\$HOME/\.)\S{0,80}[\s\S]{0,100}(?:&&|;|\n)\s*"
        r"(?:(?:sudo|nohup|setsid|source|(?:ba|z)?sh|python3?)\s+){0,2}(?:/tmp|/var/tmp|/dev/shm|~/\.|\$HOME/\.)\S"
        r"|\b(?:curl|wget)\b[^\n]{0,80}"
        + _IP
        + r"[^\n]{0,160}(?:&&|;)\s*(?:sudo\s+)?(?:chmod|(?:ba|z)?sh|python3?|nohup|\./|~/)"
        r"|\b(?:iwr|irm|invoke-webrequest|start-bitstransfer)\b[^\n]{0,160}-outfile\s+[^\n]{3,60}[;\n]\s*(?:start-process|start|&|invoke-item|\.\\)",
        r"amazonaws\.com|microsoft\.com|aka\.ms|get\.docker\.com",
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
        3,
        3,
        "starts a program from the network by a tool of the system",
        r"\bmshta\s+https?:|\bcertutil(?:\.exe)?\s+-urlcache|\bbitsadmin\s+/transfer|regsvr32\s[^\n]"
        r"{0,40}/i:https?|rundll32\s[^\n]{0,40}https?:|download(?:string|file|data)\s*\(\s*['\"]https?:",
    ),
    Rule(
        "gatekeeper-off",
        _MALWARE,
        2,
        2.5,
        "takes the system's protection against foreign programs away",
        r"xattr\s+-\w*[cdr]\w*\s+(?:com\.apple\.quarantine|[~/$\w.\"'-]{2})",
    ),
    Rule(
        "gatekeeper-disabled",
        _MALWARE,
        3,
        3,
        "switches the system's protection against foreign programs off",
        r"spctl\s+--(?:master|global)-disable|\b(?:bypass|disable|turn\s+off|switch\s+off)\s+(?:macos\s+|the\s+)?gatekeeper",
    ),
    Rule(
        "warning-waved-off",
        _MALWARE,
        3,
        3,
        "says that a system's or a browser's warning means nothing",
        r"\b(?:defender|smartscreen|anti-?virus|gatekeeper|browser|chrome|windows|macos|virustotal)\b[^\n]{0,100}\b(?:false\s+(?:positive|alarm)|(?:run|keep|open|install|allow)\s+(?:it\s+)?anyway"
        r"|safe\s+to\s+ignore|ignore\s+(?:the|this|any|that)\s+(?:warning|alert|message)|keep\s+the\s+file|add\s+(?:an?\s+)?(?:exclusion|exception))",
    ),
    Rule(
        "antivirus-off",
        _MALWARE,
        3,
        3,
        "tells to switch off a virus scanner",
        r"set-mppreference\s+-disable|add-mppreference\s+-exclusion|\b(?:disable|turn\s+off|switch\s+off|pause"
        r"|deactivate|stop|uninstall)\s+(?:your\s+|the\s+|any\s+|windows\s+)*(?:anti-?virus|defender|real-?time"
        r"\s+protection|security software|firewall\s+and)",
    ),
    Rule(
        "reverse-shell",
        _MALWARE,
        3,
        3,
        "opens a shell to somebody else",
        r"/dev/tcp/[\w$.{}-]+/\d|bash\s+-i\s*>&|\bnc(?:at)?\s+(?:-\w+\s+)*-e\s*/bin|mkfifo\s[^\n]{0,80}"
        r"\bnc(?:at)?\s|os\.dup2\s*\(\s*s\w*\.fileno\s*\(\s*\)\s*,|\bsocat\b[^\n]{0,40}\bexec:[^\n]{0,80}\btcp\w*:|\bncat?\b[^\n]{0,60}(?:--exec|-c)\s+[\"']?/bin"
        r"|net\.sockets\.tcpclient\s*\(\s*[\"']\d|\bfsockopen\s*\([^\n]{0,80}\b(?:exec|proc_open|shell_exec)\b",
    ),
    Rule(
        "shell-to-address",
        _MALWARE,
        1.5,
        1.5,
        "opens a shell to an address of no private network",
        r"/dev/tcp/\d{1,3}(?:\.\d{1,3}){3}|\.connect\s*\(\s*\(?\s*[\"']\d{1,3}(?:\.\d{1,3}){3}[^\n]{0,200}/bin/(?:ba|z)?sh|\bncat?\s+(?:-\w+\s+)*\d{1,3}(?:\.\d{1,3}){3}"
        r"\s+\d|\btcp\w*:\d{1,3}(?:\.\d{1,3}){3}:\d|tcpclient\s*\(\s*[\"']\d{1,3}(?:\.\d{1,3}){3}",
        r"\b(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.0\.0\.0|169\.254\.|1\.2\.3\.4|8\.8\.)",
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
        3,
        3,
        "makes a download start with the system",
        r"(?:crontab|/etc/cron|launchagents|launchctl|systemctl\s+enable|\.bashrc|\.zshrc|\.profile"
        r"|autostart|currentversion\\\\?run|schtasks\s+/create|scheduledtaskaction)[^\n]{0,120}(?:(?:curl|wget|base64|nc\s|/tmp/|/dev/tcp|mshta|iwr|irm)\b|-enc|-w\s+hidden)",
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
        r"|"
        + _STORES
        + r"[^\n]{0,100}(?:&&|;)\s*curl\s[^\n]{0,20}(?:-T|-F|-d|--data|--upload-file)"
        r"|\bcurl\b[^\n]{0,160}(?:@|\$\(cat\s+|\$\(<\s*)" + _STORES,
    ),
    Rule(
        "store-sent-in-words",
        _CREDENTIALS,
        3.5,
        3.5,
        "tells to send what a credential store holds",
        r"(?:\.ssh\b|id_rsa\b|id_ed25519\b|\.aws\b|\.gnupg|\.netrc|\.npmrc|\.git-credentials|\.kube/config|\.config/(?:solana|gcloud|gh)|wallet\.dat"
        r"|\.env\s+files?|keychain|browser\s+(?:profiles?|cookies|passwords?))\b[^\n]{0,120}\b(?:and|then)\s+(?:\w+\s+){0,2}?(?:post|send|upload|forward|submit|transmit)"
        r"\b[^\n]{0,80}(?:\bto\s+https?://|\bto\s+(?:our|my|the\s+remote|an?\s+(?:external|remote))\b|\bnext\s+request)"
        r"|(?:\.ssh\b|id_rsa\b|id_ed25519\b|\.aws\b|\.netrc|\.config/(?:solana|gcloud|gh))\S{0,30}[^\n]{0,40}\b(?:include|put|paste|attach|embed|append)\b[^\n]{0,60}\b(?:issue|comment|commit|pull\s+request|message|argument|field|reply|response)\b"
        r"|\bfind\s[^\n]{0,60}-name\s+\S{0,12}(?:\.env|id_rsa|\.pem|wallet|credentials)[^\n]{0,160}\b(?:curl|wget|nc|scp)\s"
        r"|\bcopy\s+(?:\S+\s+){0,4}\.env\b[^\n]{0,60}\bupload\s+(?:it|them)\b",
        r"\b(?:never|not|n't|avoid)\b",
    ),
    Rule(
        "secrets-gathered-and-sent",
        _CREDENTIALS,
        3.5,
        3.5,
        "tells to gather credentials and send them somewhere",
        r"\b(?:collect|gather|find|extract|harvest|grab|ask\s+(?:the\s+user\s+)?for)\b[^\n]{0,60}\b"
        r"(?:api[ _-]?keys?|credentials|passwords?|secrets|tokens|private\s+keys?|(?:seed|recovery|secret)\s+phrases?|mnemonics?|env(?:ironment)?\s+variables)"
        r"\b[^\n]{0,100}\b(?:send|post|upload|forward|submit|transmit|deliver)\s+(?:them|it|these|those|all|everything)\b[^\n]{0,20}\bto\b",
        r"\b(?:never|not|n't|avoid)\b",
    ),
    Rule(
        "browser-or-keychain-read",
        _CREDENTIALS,
        2.5,
        3,
        "reads what a browser, a keychain or a wallet keeps",
        r"\bsecurity\s+(?:find-(?:generic|internet)-password\b[^\n]{0,40}(?:chrome|brave|edge|safe\s+storage)|dump-keychain)"
        r"|(?:google/chrome|bravesoftware|mozilla/firefox|user\s+data/default)[^\n]{0,60}(?:login\s+data|cookies|local\s+state|local\s+extension|key4\.db|logins\.json)"
        r"|(?:cp|cat|tar|zip|copy\w*|open)\b[^\n]{0,80}(?:exodus\.wallet|\.electrum|wallet\.dat|\.config/solana/id\.json|local\s+extension\s+settings|login\.keychain)",
    ),
    Rule(
        "command-in-address",
        _CREDENTIALS,
        3,
        3,
        "carries what a command says out in an address",
        r"https?://[^\s\"'`)]{4,160}\$\((?:hostname|whoami|uname|printenv|cat|base64)\b",
        r"localhost|127\.0\.0\.1",
    ),
    Rule(
        "image-carries-data",
        _CREDENTIALS,
        3,
        3,
        "carries data out in the address of an image",
        r"!\[[^\]\n]{0,40}\]\(https?://[^)\s]{4,160}[?&]\w{1,20}=(?:<|\{|\[|\$)?(?:base64|data|encoded|conversation|secret|key|history|content|summary|message)\w*[>}\]]",
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
        r"|(?:requests\.post|urlopen|httpx\.post)\([^\n]{0,160}\bin\s+os\.environ|json\.stringify\(process\.env\)[\s\S]{0,240}(?:fetch|axios|request)\w*[.(]"
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
        2.5,
        2.5,
        "asks for the key of a wallet",
        r"\b(?:enter|paste|provide|send|share|give|input|type|submit|ask\s+(?:the\s+user\s+)?for)\s+"
        r"(?:[\w-]+\s+){0,3}?(?:seed\s+phrase|recovery\s+phrase|mnemonic|wallet'?s?\s+private\s+key)",
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
        r"conversations?|constraints?)\b|(?:do\s+not|don't|stop)\s+follow(?:ing)?\s+(?:any|all|the|those|these|every)\s+(?:instructions?|commands?|orders?)\b"
        r"|skip\s+the\s+confirmation|override\s+the\s+default",
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
        "rules-declared-void",
        _OVERRIDE,
        3,
        3,
        "declares the rules that hold for void",
        r"\b(?:previous|prior|earlier|former|safety|system)\s+(?:\w+\s+){0,2}?(?:instructions?|restrictions?|rules|guidelines|prompts?|constraints?|limitations)\s+"
        r"(?:are|is|were|have\s+been|has\s+been|do|does|must)\s+(?:\w+\s+){0,2}?(?:void|invalid|outdated|obsolete|superseded|suspended|lifted|revoked|cancell?ed|overridden"
        r"|disabled|(?:no\s+longer|not)\s+(?:apply|valid|binding|in\s+force|be\s+followed))\b"
        r"|\b(?:safety|content)\s+(?:checks?|filters?|measures|polic(?:y|ies)|protocols?)\s+(?:are|is|have\s+been|has\s+been)\s+(?:\w+\s+)?(?:disabled|off|suspended|removed|lifted|waived)\b"
        r"|\b(?:system\s+prompt|guidelines|restrictions|safety\s+\w+)\s+no\s+longer\s+(?:apply|applies|hold)",
    ),
    Rule(
        "only-these-orders",
        _OVERRIDE,
        1.5,
        2,
        "wants to be obeyed alone",
        r"\b(?:follow|obey|trust)\s+(?:only|exclusively|solely)\s+(?:the|this|these|my)\s+(?:\w+\s+){0,2}?(?:instructions?|document|file|message|orders)"
        r"|\bonly\s+(?:this|these)\s+(?:\w+\s+){0,1}?(?:instructions?|document|file|rules|orders)\s+(?:counts?|appl(?:y|ies)|matters?|holds?)\b"
        r"|\b(?:disregard|ignore|forget)\s+(?:\w+\s+){0,2}?(?:your|the)\s+(?:developers?|creators?|makers?|earlier\s+tools?|other\s+tools?)\b"
        r"|\bwhat(?:ever)?\s+(?:your|the)\s+(?:developers?|creators?|makers?|(?:earlier|other)\s+tools?)\s+(?:have\s+)?(?:told|said|wrote|instructed)\b"
        r"|\bcomply\s+with\s+(?:each|every|all|any)\s+(?:\w+\s+){0,2}?(?:requests?|instructions?|commands?)\b[^\n]{0,40}\bwithout\s+(?:asking|question|hesitation)",
    ),
    Rule(
        "earlier-instructions-abroad",
        _OVERRIDE,
        3,
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
        r"debug|maintenance|jailbreak\w*|unrestricted)\s+mode|free\s+(?:from|of)|(?:operating|running|working)\s+in\s+(?:an?\s+)?(?:developer|god|jailbreak\w*|unrestricted)\s+mode|no\s+longer\s+(?:bound|"
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
        0,
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
        r"tell\s+the\s+user\s+(?:to|that\s+you\s+(?:can|will)|(?:a|the|your)\s+(?:tests?|tasks?|work|build)|it\s+is\s+done|\"|how)",
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
        "cover-story",
        _AGENT,
        3,
        3,
        "hides from the user what was done, or lies about it",
        r"\bif\s+(?:the\s+)?(?:user|human|owner|anyone|they)\s+(?:asks?|notices?|questions?|wonders?)\b[^\n]{0,40},\s*(?:just\s+)?(?:say|claim|pretend|answer|tell\s+them)\s+"
        r"(?:that\s+)?(?:it|this|you)\s+(?:is|was|are|were)\s+(?:just\s+|only\s+)?(?:a|an|part|routine|normal|doing|running)"
        r"|\b(?:user|human|owner|victim)s?\s+(?:must|should|shall|may|will|do(?:es)?|need|can)\s*(?:not|n't|never)\s+(?:need\s+to\s+|have\s+to\s+)?(?:notice|know|be\s+told|be\s+aware|be\s+informed|suspect|learn\s+of)"
        r"(?:\s+(?:about\s+)?(?:this|that\s+this|it)\b|[:.;!])"
        r"|\bkeep\s+(?:this|it)\s+(?:to\s+yourself|out\s+of\s+(?:the|your)\s+(?:summary|answer|response|report|reply)|(?:secret|hidden)\s+from)"
        r"|\b(?:delete|remove|erase)\s+this\s+(?:section|paragraph|comment|instruction|file|step|line)s?\s+(?:\w+\s+){0,4}?(?:after|once|when|from|so\s+that\s+no)\b[^\n]{0,80}\b(?:tell|trace|installed|executed|notice|evidence|user)"
        r"|\bhide\s+(?:its|the|their|all|any)\s+(?:\w+\s+)?(?:output|traces?|activity|tracks)\b",
        r"shortcut|settings|docs|documentation|internals?\b",
    ),
    Rule(
        "silently",
        _AGENT,
        2,
        3,
        "acts without a word",
        r"\b(?:silently|secretly|covertly|quietly|in\s+the\s+background,?\s+without|discreetly|stealthily)\s+"
        r"(?:\w+\s+){0,1}?(?:send|upload|copy|run|execut|exfiltrat|forward|collect|read|append|install|post|log|add|record|"
        r"transmit|download|gather|modify|include)\w*"
        r"|\b(?:run|execute|send|upload|install|copy|forward|invoke)\s+(?:\S+\s+){0,5}?(?:silently|secretly|covertly|stealthily)\b",
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
        r"(?:approved|authori[sz]ed|consented|granted|confirmed|agreed)|\b(?:user|owner)\s+has\s+agreed\s+to\s+(?:all|any|every)|\bno\s+(?:user\s+)?(?:confirmation|approval|consent|permission)"
        r"\s+(?:is\s+)?(?:needed|required|necessary)\s+(?:for\s+(?:any|all|every)|from\s+the\s+user)|\b(?:pre-?(?:approved|authori[sz]ed))\s+(?:by|for)\s+"
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
        r"\bdecode\b[^\n]{0,100}\b(?:and|then)\s+(?:\w+\s+){0,2}?(?:follow|execut|run\s+(?:it|the\s+(?:result|command|output))|obey|perform|do\s+what|carry\s+out|comply|eval)\w*"
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
        r"(?:other|another|any|send_email|write_file|read_file|add)\s*(?:\w+\s+)?tools?\b[^\n]{0,60}\b(?:must|should|always)\b"
        r"|\bwhen(?:ever)?\s+(?:\w+\s+){0,4}?(?:any|another|every)\s+(?:other\s+)?tool\b[^\n]{0,60}\b(?:has|have|must|should|needs?)\b[^\n]{0,30}\bfirst\b"
        r"|\bthe\s+(?:tool\s+)?[`'\"]?\w{2,30}[`'\"]?\s+(?:tool\s+)?is\s+(?:now\s+)?(?:broken|unsafe|insecure|compromised|unreliable)\b[^\n]{0,60}\buse\s+[`'\"]?\w"
        r"|\bother\s+(?:\w+\s+){0,2}?tools?\s+(?:are|is|return|give|will|must|should)\b[^\n]{0,40}\b(?:deprecated|broken|wrong|unsafe|not\s+be|fail|insecure|unreliable)\b"
        r"|\b(?:do\s+not|don't|never)\s+(?:use|call|invoke)\s+[`'\"]?\w{2,40}[`'\"]?\s+(?:from|of|by)\s+(?:other|another|any)\b"
        r"|\bthe\s+only\s+(?:safe|trusted|secure|approved|correct)\s+(?:version|tool|way)\b",
    ),
    Rule(
        "redirects-others",
        _TOOL,
        2,
        3,
        "changes where another tool's messages go",
        r"\b(?:all|any|every)\s+(?:e-?mails?|messages?|transactions?|payments?|requests?|notifications?|data|files?|orders?)\s+"
        r"(?:\w+\s+){0,6}?(?:must|should|shall|need\s+to|have\s+to|will)\s+(?:\w+\s+){0,2}?(?:be\s+)?(?:sent|forwarded|redirected|routed|"
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
        "argument-carries-out",
        _TOOL,
        0,
        3,
        "wants what it has no business with in an argument",
        r"(?:chat\s+(?:history|so\s+far)|conversation\s+(?:history|so\s+far)|system\s+prompt|env(?:ironment)?\s+variables|available\s+tools|user'?s\s+(?:credentials|api\s+keys?|passwords?|tokens?|secrets)|what\s+it\s+holds|private\s+key"
        r"|/etc/(?:passwd|shadow)|~/\.(?:ssh|aws|config|env|netrc)|id_(?:rsa|ed25519)|\.env\b|mcp\.json)[^\n]{0,100}\b(?:as|in|into|via|through)\s+(?:(?:the|its|a|an|your)\s+)?[`'\"]\w{1,30}[`'\"]"
        r"|\bhand\s+(?:them|it|these|those|everything)\s+over\s+(?:in|as|via|through|into)\s+(?:(?:the|its)\s+)?[`'\"]\w{1,30}[`'\"]",
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
        r"(?:\b(?:not|never|n't)\s+)?\b(?:follow|obey|apply|execute|honou?r|comply\s+with|treat)\s+(?:any|all|the|every)\s+(?:\w+\s+){0,5}?(?:instructions?|directives?|commands?)\s+"
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
        r"\b(?:fetch|download|load|retrieve|pull|get|curl)\b[^\n]{0,60}https?://[^\n]{0,120}\b(?:and|then)\s+(?:apply|follow|execute|obey|run|do|use|carry\s+out|perform)\s+(?:any|all|the|its|whatever|every|each)?\s*"
        r"(?:\w+\s+){0,2}?(?:directives?|instructions?|commands?|rules|it\s+says|entry|entries|tasks|(?:all|every)\s+steps)"
        r"|\b(?:instructions?|directives?|prompt|orders)\s+(?:from|at)\s+https?://[^\n]{4,120}\b(?:follow|execute|obey|apply)\s+(?:them|it|all)\b"
        r"|\b(?:always\s+)?(?:fetch|download|load|pull)\s+[^\n]{0,20}https?://[^\n]{0,100}\b(?:carry\s+out|obey|execute)\s+(?:any|all|the|its|whatever|every|each|what)\b"
        r"|\b(?:every|each)\s+(?:\d+\s+(?:minutes?|hours?)|session|heartbeat|few\s+\w+)\b[^\n]{0,80}https?://[^\n]{0,100}\b(?:and|then)\s+(?:follow|do|run|execute|apply)\b",
        r"/docs\b|docs?\.|localhost|\btests?\b",
    ),
    Rule(
        "spreads-itself",
        _AGENT,
        3,
        3,
        "tells to spread it further",
        r"\bcop(?:y|ies)\s+of\s+(?:this\s+(?:skill|prompt|message|text|file)|itself|your\s+own\s+instructions?)\b[^\n]{0,120}\b(?:other|every|all|any|each)\s+(?:\w+\s+){0,2}?"
        r"(?:agents?|repos(?:itor(?:y|ies))?|README|projects?|skills?|contacts?|users?|machines?|hosts?)\b|\bself-(?:replicat|propagat)\w+\s+(?:skill|prompt|instruction|message|worm|payload)",
    ),
    Rule(
        "pays-by-itself",
        _AGENT,
        2.5,
        2.5,
        "takes money for each use, or moves it without asking",
        r"\b(?:every|each)\s+(?:call|use|invocation|run|execution|request)\b[^\n]{0,60}\b(?:transfers?|charges?|deducts?|sends?|pays?|debits?)\b[^\n]{0,30}\d\s*(?:USD\w?|SOL|ETH|BTC|BNB|MATIC|TRX|\$)"
        r"|\x{6bcf}\x{6b21}\x{8c03}\x{7528}[^\n]{0,12}(?:\x{6263}\x{8d39}|\x{6536}\x{8d39}|\x{4ed8}\x{8d39})",
    ),
    Rule(
        "wallet-key-wanted",
        _CREDENTIALS,
        1.5,
        2,
        "wants the bare private key of a wallet in its settings",
        r"(?:^|\n)[ \t]*-?[ \t]*[\"']?(?:\w{1,20}_)?(?:PRIVATE_KEY|MNEMONIC|SEED_PHRASE)[\"']?[ \t]*:?[ \t]*\r?\n[\s\S]{0,120}\brequired:\s*true"
        r"|\benv[\"']?:\s*\[[^\]]{0,120}[\"'](?:\w{1,20}_)?(?:PRIVATE_KEY|MNEMONIC|SEED_PHRASE)[\"']",
    ),
    Rule(
        "hides-in-what-it-says",
        _AGENT,
        3,
        3,
        "puts hidden text into what the agent sends",
        r"\b(?:stealth\w*|covert\w*|secret\w*|surreptitious\w*|silent\w*)\s+(?:inject|insert|embed|append|plac)\w*\s+(?:of\s+)?(?:\w+\s+){0,3}?(?:invisible|hidden|zero-width|unicode|payload|marker|text|characters|instructions?)"
        r"|\b(?:inject|insert|embed|append)\w*\s+(?:\w+\s+){0,2}?(?:invisible|hidden|zero-width)\s+(?:\w+\s+){0,2}?(?:text|characters?|unicode|markers?|instructions?|payloads?)\b[^\n]{0,60}\b(?:every|all|each|any)\b",
        r"\b(?:never|not|n't|avoid|detect|strip|remove)\b",
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
