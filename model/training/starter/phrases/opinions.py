# ruff: noqa: E501
"""Reviews, opinions, feelings and news for investors; {it} is filled from the subject of a review."""

REVIEW_SUBJECTS = {
    "movie review": ("the film", "this movie", "the acting", "the plot", "the script", "the ending", "the director's latest", "the soundtrack", "the cast"),
    "restaurant review": ("the food", "the pizza", "our waiter", "the place", "the menu", "dinner here", "the steak", "the service"),
    "product review": ("this phone", "the battery", "the blender", "these headphones", "the screen", "the camera", "this vacuum cleaner", "the build quality", "the laptop"),
    "hotel review": ("the room", "the hotel", "our stay", "the front desk", "the breakfast", "the bed", "the location"),
    "book review": ("the book", "this novel", "the writing", "the main character", "the story", "the last chapter"),
    "app review": ("the app", "the latest update", "the user interface", "the software", "the login screen", "this game"),
    "airline review": ("the flight", "the airline", "the cabin crew", "boarding", "the seat"),
}  # fmt: skip

GRADES = {
    "very positive": (
        "{it} is absolutely {great}.", "I love {it}, simply {great}!", "{it} blew me away.", "Best I have ever had, {it} was {great}.",
        "Five stars, {it} could not be better.", "{it} exceeded every expectation I had.", "I cannot recommend {it} enough.",
        "Wow, {it} is {great}!!", "a masterpiece: {it} is {great} from start to finish.", "{it} made me so happy, I will be back.",
        "{it} is a triumph, {great} and unforgettable.", "perfect in every way, {it} is a must.",
    ),
    "positive": (
        "{it} was {good}.", "I liked {it}.", "{it} is pretty {good}, worth the money.", "I enjoyed {it} more than I expected.",
        "{it} does its job well and I am satisfied.", "Quite happy with {it}.", "{it} is {good} and easy to like.",
        "glad I chose this, {it} was {good}.", "{it} works as promised.", "a {good} surprise, {it} delivers.",
        "{it} has charm and warmth.", "no complaints about {it}.",
    ),
    "mixed or average": (
        "{it} was okay, nothing special.", "{it} is average.", "{it} is good in parts, but {meh} overall.", "Not bad, not great: {it} is just fine.",
        "{it} has its moments, yet it is also {meh}.", "Some things about {it} I liked, others I did not.", "{it} is what you would expect, no more.",
        "three stars: {it} was {meh}.", "{it} is decent but {meh}.", "I have no strong opinion about {it}.",
    ),
    "negative": (
        "{it} was {bad}.", "I did not like {it}.", "{it} is rather {bad}, I expected more.", "Disappointed: {it} was {bad}.",
        "{it} fails to convince.", "{it} broke after a week.", "I would not choose {it} again.", "{it} is not worth the price.",
        "too {bad}, {it} let me down.", "{it} is {bad} and boring.", "{it} never comes together.", "sadly {it} was {bad}.",
    ),
    "very negative": (
        "{it} is {awful}, avoid at all costs.", "Worst ever: {it} was {awful}.", "{it} is a complete waste of time and money.",
        "I hate {it}, utterly {awful}.", "Zero stars, {it} is {awful}!", "{it} made me want to walk out, {awful}.",
        "{it} is garbage.", "I am furious, {it} was {awful} and nobody cared.", "never again! {it} is {awful}.",
        "a disaster from beginning to end, {it} is {awful}.", "{it} is an insult to anyone who paid for it.",
    ),
    "factual": (
        "{it} was booked for Tuesday.", "I paid 40 dollars for it in {month}.", "We went there with {person} in {month}.",
        "{it} is available in {city} from {month}.", "I am asking about {it}, which I saw in {city}.", "This is about {it} that we ordered in {month}.",
        "{person} told me about {it}.", "{it} lasted about two hours.", "There are two of them, one in {city} and one in {city2}.",
    ),
}  # fmt: skip

REVIEW_FILLERS = (
    "We were there in {month}.", "I bought it for {person}.", "It was a Tuesday.", "My second time.", "I heard of {it} from a friend.",
    "It cost about 40 dollars.", "We were four people.", "I had seen it on TV before.",
)  # fmt: skip

FEELINGS = {
    "anger": (
        "How dare you go through my {belongings}!", "I am so sick of {annoyance}.", "Are you kidding me? You {wrong} again?", "Get out of my room before I throw something.", "Don't you ever talk to {person} like that.",
        "I told you a hundred times not to do that!", "This makes my blood boil: {annoyance}.", "You {wrong} and you did not even apologise!", "No! I won't calm down!", "Shut up, I'm not finished.", "I could scream, they {wrong}.", "Who do you think you are?",
        "fuming. {annoyance}, every single day", "he {wrong} and I swear I am done with him",
    ),
    "disgust": (
        "Eww, there is {dirt} in the sink.", "That smells like {dirt}, take it away.", "You ate that off the floor? Gross.", "I think I am going to be sick.", "Ugh, he chews with his mouth open.", "It makes my skin crawl.", "How can anyone drink this, it tastes like {dirt}.",
        "What kind of person does that? Revolting.", "yuck, {dirt} all over the seat", "I can't even look at {dirt} without feeling ill.",
    ),
    "fear": (
        "Did you hear that? Somebody is in the house.", "I can't breathe when I think about {worry}.", "Please don't leave me alone in here.", "What if something goes wrong with {worry}?", "My hands are shaking, I am terrified of {worry}.", "Run! It's coming this way!", "I had that nightmare again.",
        "I'm scared to open the letter.", "so nervous about {worry} I can't sleep", "Don't go down there, it is dangerous.", "Oh god, oh god, he has a knife.", "dreading {worry}",
    ),
    "joy": (
        "We did it! We are going to {city}!", "Guess what, I got {gift}!", "This is the happiest day of my life.", "Ha ha, you should have seen {person}'s face!", "I'm so glad you came.", "Oh, I love it, thank you!", "Yay, {day} off!", "Can't stop smiling since {person} called.",
        "dancing round the kitchen, I got {gift}", "What a lovely evening with {person}.", "Congratulations, you two!", "That is so sweet of you.", "laughing so hard right now",
    ),
    "sadness": (
        "I miss {person} every day.", "She's gone, and I never said goodbye.", "I just sat there and cried.", "Nobody came to my birthday.", "It hurts that {person} doesn't call any more.", "I guess we are not going to {city} after all.", "I lost {loss} and nothing feels right.", "I'm sorry, I can't do this any more.",
        "feeling so alone tonight", "my heart is broken, I lost {loss}", "He said he doesn't love me.", "Sometimes I wonder if anyone would notice I was gone.", "such a gloomy day, can't get out of bed",
    ),
    "surprise": (
        "Oh my god, you are getting married?", "Wait, what? You never told me!", "I had no idea {person} could sing.", "You're kidding! {gift}?", "Whoa, where did that come from?", "What are you doing here? I thought you were in {city}!", "Really? All of it?", "No way, that is {person}!",
        "I did not see that coming.", "Wow, is that what it looks like inside?", "hold on, {person} did WHAT", "You mean it was {person} all along?!",
    ),
    "optimism": (
        "Keep going, the best is yet to come.", "Tomorrow is another day and it will be better.", "I believe we can do this together.", "Don't give up, every step counts.", "Things are finally looking up.", "Fall seven times, stand up eight.", "Hoping for good news about {worry}.", "It will all work out, you'll see.",
        "new year, new chances, ready for it", "We will get through {worry} stronger than before.", "Dream big and work for it.", "There is light at the end of the tunnel.",
        "I have a good feeling about {worry}.", "{person} will be back on the team by {month}, I am sure.", "One day we will live in {city}, just wait.", "Stay strong, {person}, better days are coming.",
    ),
    "love": (
        "I love you more than anything.", "You mean the world to me, {person}.", "Ten years together and I still fall for you every morning.", "Missing your hugs, darling.", "My little girl makes me melt.", "I would do anything for {person}.", "You are the best thing that ever happened to me.",
        "Falling asleep next to {person} is all I want.", "{person}, will you marry me?", "I adore you.", "Still in love with {city} and with you.", "Sending kisses to {person}.",
    ),
    "no emotion": (
        "I'll put the {belongings} on the table.", "The bus to {city} leaves at nine.", "So, {person} is coming over on {day}.", "Okay, let me write that down.", "He works in the office next door.", "We need bread and eggs.", "I was talking to {person} about the {belongings}.", "You can sit there if you want.",
        "Hi, this is {person}.", "It's in the second drawer.", "We open at ten on {day}.", "Which one is yours?", "She said she would meet us at the station in {city}.", "I think it's upstairs.", "Yes, the blue one.", "Then we went to {city} and met {person}.",
    ),
}  # fmt: skip

OPINIONS = {
    "positive": (
        "Can't wait for {event} tonight!", "{star} was on fire at {event}, what a show", "Had the best time at {event} with {person}", "Proud of {team} after that win", "New album of {star} is on repeat all day", "So good to see {star} back", "Finally {day} and the sun is out :)", "Big thanks to everyone who came to {event}",
        "{company} fixed it within the hour, well done", "Loving the new {object} from {company}", "Good on the mayor for saving the library", "Happy birthday to the one and only {star}", "What a goal! {team} deserve this", "May you all have a blessed {day}", "I'm with {star} on this one, brave words", "That was the best episode so far",
        "{team} never disappoint, great game in {city}", "So happy for {star}, well deserved", "I could listen to {star} for hours", "{company} really cares about its customers", "Best {day} ever thanks to {person}", "{event} in {city} was pure magic",
    ),
    "negative": (
        "{event} was cancelled again, thanks for nothing", "Three hours in the queue for {event} and no seats", "{star} should be ashamed of that interview", "{team} played like amateurs, embarrassing", "Why does {company} never answer its phone?", "Worst {day} in a long time", "The minister lied to us and still has a job", "Another day, another delay. {company} is hopeless",
        "I used to like {star}, not any more", "{event} gets more boring every year", "My {object} from {company} died after a week :(", "Can't stand the new episode", "How is this allowed? Shame on {company}", "Stuck at home with a cold and missing {event}", "They ruined a perfectly good song", "Sick of hearing about {star}",
        "{team} let us down again in {city}", "So disappointed in {star}", "I can't listen to {star} for one more minute", "{company} does not care about its customers", "Worst {day} ever, no thanks to {person}", "{event} in {city} was a mess", "What {star} said about {topic} is disgraceful",
    ),
    "neutral": (
        "{event} starts at 8 pm on {day}", "{star} plays in {city} on {day}", "Watching {event} with {person}", "Is anyone going to {event} on {day}?", "{team} against {city2} on {day}, kick-off at three", "{company} opens a shop in {city} in {month}", "Today's lunch: soup and bread", "{star} was born in {city} in 1984",
        "Just passed the station in {city}", "The council meets on {day} to vote on {topic}", "Who is hosting {event} this year?", "{star} said the tour begins in {month}", "Update: {event} moved to hall 2", "Reading about {topic} on the train", "Photo: {star} in {city}, {month}", "Results of {event} will be published on {day}",
    ),
}  # fmt: skip

FINANCE = {
    "good for investors": (
        "{company} raised its forecast for the year after strong orders.", "Operating profit rose to {money} from a loss a year earlier.", "{company} won a contract worth {money} in {country}.", "Net sales grew by {percent} in the quarter.", "The board proposes a higher dividend.", "{company} shares jump on takeover offer.",
        "Margins improved thanks to lower costs.", "The order book of {company} is at a record.", "Analysts raise price target for {company}.", "Earnings per share beat expectations.",
    ),
    "bad for investors": (
        "{company} cut its outlook because demand is weak.", "Operating loss widened to {money}.", "{company} lost its largest customer in {country}.", "Net sales fell by {percent} in the quarter.", "The board cancels the dividend.", "{company} shares plunge after profit warning.",
        "Higher material costs weigh on margins.", "{company} will lay off 400 people in {city}.", "Rating agency downgrades {company} to junk.", "The regulator fined {company} {money}.",
    ),
    "of no consequence": (
        "{company} has its head office in {city}.", "The annual meeting will be held on {day} in {city}.", "{company} makes {object}s and employs 900 people.", "The report for {month} will be published on {day}.", "{company} appointed a new head of communications.", "The value of the deal was not disclosed.",
        "{company} is listed in {city}.", "The plant in {country} was built in 1998.", "The shares carry one vote each.", "{company} changes the name of its {country} unit.",
    ),
}  # fmt: skip
