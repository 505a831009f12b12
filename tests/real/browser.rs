//! Chromium from the login page of oidc-provider to the page that ends a login: what a person sees, and whether everybody can.

use serde_json::{Value, json};

use crate::support::{Browser, OidcProvider, Person, Rig, Run, Stanza, User, finish};

struct Scene {
    provider: OidcProvider,
    browser: Browser,
    person: Person,
    rig: Rig,
}

impl Scene {
    async fn new() -> Self {
        let rig = Rig::new();
        let provider = OidcProvider::start_with_pages(&rig).await;
        Self { provider, browser: Browser::start(&rig).await, person: Person::at(&rig), rig }
    }

    /// Runs `login` while the browser does what a person would; it may look at the last page for as long as it likes.
    async fn login(&self, browse: impl AsyncFnOnce(&Browser)) -> Run {
        let user = User::new(&self.rig, "somebody");
        let stanza = Stanza::person(&self.rig, &self.provider);
        let flag = self.person.flag();
        let run = finish(user.command(&stanza.line("login", &[&flag])));
        let browse = async {
            let address = self.person.opened().await;
            self.browser.open(address.as_str()).await;
            browse(&self.browser).await;
        };
        tokio::join!(run, browse).0
    }
}

/// Fills in the provider's form and agrees to what the client asks for.
async fn log_in(browser: &Browser) {
    browser.fill("input[name=login]", "alice").await;
    browser.fill("input[name=password]", "any").await;
    browser.picture("provider-login").await;
    browser.click("button[type=submit]").await;
    browser.click("button[autofocus]").await;
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_person_with_a_browser_ends_on_a_page_that_everybody_can_read() {
    let scene = Scene::new().await;
    let run = scene
        .login(async |browser| {
            log_in(browser).await;
            assert_eq!(browser.evaluate("return document.querySelector('h1').textContent").await, "You are logged in");
            assert!(browser.address().await.starts_with("http://127.0.0.1:"), "{}", browser.address().await);
            is_for_everybody(browser, "logged-in").await;
            let rows = browser.evaluate(
                "return [...document.querySelectorAll('dt')].map(dt => [dt.textContent, dt.nextSibling.textContent])",
            );
            let expected =
                json!([["Account", "alice"], ["Provider", scene.provider.issuer().url], ["Client", "kubectl"]]);
            assert_eq!(rows.await, expected);
        })
        .await;
    assert!(run.code == Some(0) && run.stdout.starts_with("logged in as alice at "), "{run:?}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_person_who_cancels_is_told_so_in_the_browser_and_in_the_terminal() {
    let scene = Scene::new().await;
    let run = scene
        .login(async |browser| {
            browser.click("a[href$=abort]").await;
            assert_eq!(
                browser.evaluate("return document.querySelector('h1').textContent").await,
                "The login did not work"
            );
            is_for_everybody(browser, "not-logged-in").await;
        })
        .await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run:?}");
    assert!(run.stderr.lines().last().unwrap().contains("access_denied"), "{run:?}");
}

/// Whether a page can be read in light and dark, on a small screen, by a screen reader, and without scripts.
async fn is_for_everybody(browser: &Browser, name: &str) {
    for (scheme, width) in [("light", 900), ("dark", 900), ("dark", 320)] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.devtools("Emulation.setEmulatedMedia", features).await;
        let metrics = json!({"width": width, "height": 640, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        browser.picture(&format!("{name}-{scheme}-{width}")).await;
        let overflow = browser.evaluate("return document.documentElement.scrollWidth > innerWidth").await;
        assert_eq!(overflow, false, "{scheme}, {width}: it has to be scrolled sideways");
        for (text, ink, paper) in colours(browser).await {
            let contrast = contrast(ink, paper);
            // WCAG 2.2, success criterion 1.4.3.
            assert!(contrast >= 4.5, "{scheme}: {text:?} has a contrast of {contrast:.2}");
        }
    }
    let page = "return [document.documentElement.lang, document.title.length > 0, document.scripts.length, \
                document.querySelectorAll('main').length, document.querySelectorAll('h1').length, \
                document.querySelectorAll('[style],[onclick],img:not([alt]),link,iframe').length, \
                document.querySelector('[role=status] h1') !== null]";
    let facts = browser.evaluate(page).await;
    assert_eq!(facts, json!(["en", true, 0, 1, 1, 0, true]), "language, title, scripts, main, headings, oddities");
    let tree = browser.devtools("Accessibility.getFullAXTree", json!({})).await;
    let roles: Vec<&str> =
        tree["nodes"].as_array().unwrap().iter().filter_map(|node| node["role"]["value"].as_str()).collect();
    for role in ["main", "heading", "status"] {
        assert!(roles.contains(&role), "a screen reader finds no {role} among {roles:?}");
    }
}

type Colour = [f64; 3];

/// The colours of all texts, and of what is behind them.
async fn colours(browser: &Browser) -> Vec<(String, Colour, Colour)> {
    let script = "const paper = element => { for (; element; element = element.parentElement) { \
                    const colour = getComputedStyle(element).backgroundColor; if (colour !== 'rgba(0, 0, 0, 0)') return colour; } return 'rgb(255, 255, 255)'; }; \
                  return [...document.querySelectorAll('h1,p,dt,dd')].map(element => [element.textContent, getComputedStyle(element).color, paper(element)])";
    let list = browser.evaluate(script).await;
    let list = list.as_array().unwrap();
    assert!(list.len() >= 2, "{list:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.iter().map(|row| (text(&row[0]), colour(&text(&row[1])), colour(&text(&row[2])))).collect()
}

/// `rgb(1, 2, 3)`.
fn colour(text: &str) -> Colour {
    let numbers = text.trim_start_matches("rgb(").trim_end_matches(')');
    let numbers: Vec<f64> = numbers.split(", ").map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// The contrast of two colours as WCAG defines it: 1 to 21.
fn contrast(one: Colour, other: Colour) -> f64 {
    let luminance = |colour: Colour| {
        let [red, green, blue] = colour.map(|part| {
            let part = part / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055_f64).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}
