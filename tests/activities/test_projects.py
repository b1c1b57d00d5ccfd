"""The project library: 500 projects and more, found by brand tag and sector; an activity may be of one of them."""

from __future__ import annotations

from tests.activities.centre import HEAD, RECORDER, done, open_centre, refused
from tests.points.town import micros
from tests.web.conftest import Service
from tests.web.test_rooms import town

from pointsbank.activities.model import ActivityPlan
from pointsbank.activities.ports import By
from pointsbank.activities.projects import Project, projects_in
from pointsbank.engine.commands import Command
from pointsbank.store.database import Database
from pointsbank.web.api.desks import desks_of

__all__ = ["town"]


async def test_projects_are_found_by_whole_tags_and_sectors_in_pages(database: Database) -> None:
    async with open_centre(database) as centre:
        ids = [
            done(await centre.activities.open_project(name, brand, sector, RECORDER, centre.key()))
            for name, brand, sector in (
                ("四叶草助老", "四叶草 助老", "civil-affairs"),
                ("洪润浩青春助学", "洪润浩青春助学", "education"),
                ("四叶草助学", "助学 四叶草 四叶草", "education"),
                ("百分之百", "100%", "education"),
            )
        ]

        async def names(**asked: str) -> set[str]:
            found = await database.read(projects_in, centre.ledger.id, **asked)
            return {project.name for project in found}

        assert await names(brand="四叶草") == {"四叶草助老", "四叶草助学"}
        assert await names(brand="四叶") == set(), "a whole tag"
        assert await names(brand="%") == set(), "no pattern"
        assert await names(brand="100%") == {"百分之百"}
        assert await names(brand="四叶草", sector="education") == {"四叶草助学"}
        [only] = await database.read(projects_in, centre.ledger.id, brand="助老")
        assert only == Project(ids[0], "四叶草助老", ("助老", "四叶草"), "civil-affairs", "open")
        paged, after = list[str](), ""
        while page := await database.read(projects_in, centre.ledger.id, after=after, limit=3):
            paged += [project.id for project in page]
            after = page[-1].id
        assert paged == sorted(ids)
        again = await centre.activities.open_project("x", "", "", RECORDER, Command("test", "twice"))
        assert await centre.activities.open_project("x", "", "", RECORDER, Command("test", "twice")) == again


async def test_an_activity_is_of_a_project_of_the_library_or_of_none(database: Database) -> None:
    async with open_centre(database) as centre:
        project = done(await centre.activities.open_project("助老", "助老", "", RECORDER, centre.key()))

        def plan(project_id: str) -> ActivityPlan:
            return ActivityPlan(
                title="x", category="ENV", station="S1", project_id=project_id,
                starts_at=micros("2026-03-03 08:00:00"), ends_at=micros("2026-03-03 10:00:00"),
            )  # fmt: skip

        answer = await centre.activities.propose(plan("nothing"), RECORDER, centre.key())
        assert refused(answer).code == "activity-invalid"
        activity = done(await centre.activities.propose(plan(project), RECORDER, centre.key()))
        done(await centre.activities.decide(activity, "", HEAD, centre.key(), approve=True))
        found = await centre.activities.activity(activity)
        assert found is not None
        assert (found.project_id, found.state) == (project, "approved")


async def test_the_library_over_http_holds_more_than_five_hundred(town: Service) -> None:
    desk, by = desks_of(town.bank).activities, By("a", "person-a")
    for number in range(505):
        brand = "四叶草" if number % 100 == 0 else ""
        done(await desk.open_project(f"项目{number}", brand, "", by, Command("t", f"p{number}")))
    key = await town.key("activities:read")
    page = (await town.get("/api/v1/projects?limit=500", key)).json()
    assert len(page["projects"]) == 500
    rest = (await town.get(f"/api/v1/projects?limit=500&after={page['next']}", key)).json()
    assert (len(rest["projects"]), rest["next"]) == (5, None)
    tagged = (await town.get("/api/v1/projects?brand=四叶草", key)).json()["projects"]
    assert len(tagged) == 6
    assert {tuple(project["brand"]) for project in tagged} == {("四叶草",)}
